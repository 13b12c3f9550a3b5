package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/docker/go-units"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor/docker"
)

// workerImageCommands are about the images that jobs run in.
type workerImageCommands struct {
	Build imageBuildCommand `cmd:"" help:"Make an image for jobs on this machine, without a registry."`
	List  imageListCommand  `cmd:"" help:"The images of HEADRACE_IMAGES, and what each has."`
	Check imageCheckCommand `cmd:"" help:"Whether jobs can run in the images of HEADRACE_IMAGES."`
}

// imageFlags find the engine and the map.
type imageFlags struct {
	DockerHost string `help:"Address of the Docker engine; default: DOCKER_HOST, else its usual socket." env:"HEADRACE_DOCKER_HOST" placeholder:"URL"`
	Images     string `help:"Which image a job gets: language, dist or name=image, with commas between them." env:"HEADRACE_IMAGES" placeholder:"MAP"`
	JSON       bool   `help:"Print JSON." name:"json"`
}

// look looks into all images of the map.
func (f imageFlags) look(ctx context.Context) ([]docker.Contents, error) {
	images, err := docker.ParseImages(f.Images)
	if err != nil {
		return nil, err
	}
	shop, err := docker.NewWorkshop(f.DockerHost)
	if err != nil {
		return nil, err
	}
	defer func() { _ = shop.Close() }()
	var all []docker.Contents
	for _, name := range images.Names() {
		c, err := shop.Look(ctx, name, images.Keys(name))
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

type imageListCommand struct{ imageFlags }

// Help shows an example.
func (imageListCommand) Help() string { return "Example: headrace worker image list" }

// Run prints the list.
func (c imageListCommand) Run(ctx context.Context, t terminal) error {
	all, err := c.look(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, all)
	}
	table := tabwriter.NewWriter(t.out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "IMAGE\tFOR\tSIZE\tHAS")
	for _, i := range all {
		size, has := "", "not on this machine"
		if i.Present {
			size, has = units.HumanSize(float64(i.Size)), contents(i)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", i.Image, strings.Join(i.Keys, ", "), size, has)
	}
	return table.Flush()
}

// contents lists what an image has in a line.
func contents(c docker.Contents) string {
	if c.Trouble != "" {
		return c.Trouble
	}
	var parts []string
	for _, p := range c.Programs {
		parts = append(parts, strings.TrimSpace(p.Name+" "+p.Version))
	}
	text := strings.Join(parts, ", ")
	if len(c.Managers) > 0 {
		text += "; version managers: " + strings.Join(c.Managers, ", ")
	}
	return text
}

type imageCheckCommand struct{ imageFlags }

// Help shows an example.
func (imageCheckCommand) Help() string {
	return "Example: headrace worker image check\n\nExit code 0: all images are on this machine and jobs can run in them."
}

// Run prints a line for each image.
func (c imageCheckCommand) Run(ctx context.Context, t terminal) error {
	all, err := c.look(ctx)
	if err != nil {
		return err
	}
	usable := true
	for _, i := range all {
		usable = usable && i.Usable()
	}
	if c.JSON {
		err = printJSON(t.out, all)
	} else {
		for _, i := range all {
			_, _ = fmt.Fprintf(t.out, "%s (%s): %s\n", i.Image, strings.Join(i.Keys, ", "), verdict(i))
		}
	}
	if err == nil && !usable {
		err = errQuiet
	}
	return err
}

func verdict(c docker.Contents) string {
	switch {
	case !c.Present && c.Image == docker.DefaultImage:
		return "not on this machine. headrace worker image build makes it."
	case !c.Present:
		return "not on this machine. The first job that needs it pulls it; docker pull " + c.Image + " does that now."
	case c.Trouble != "":
		return c.Trouble
	case len(c.Missing) > 0:
		return "jobs need what it lacks: " + strings.Join(c.Missing, ", ") + "."
	}
	return "jobs can run in it."
}

type imageBuildCommand struct {
	DockerHost string `help:"Address of the Docker engine; default: DOCKER_HOST, else its usual socket." env:"HEADRACE_DOCKER_HOST" placeholder:"URL"`
	Tag        string `help:"Name of the image." default:"headrace/default:latest"`
	Suite      string `help:"Release of Debian or Ubuntu." default:"bookworm"`
	Mirror     string `help:"Where packages come from; default: debootstrap's." placeholder:"URL"`
	Packages   string `help:"Debian packages that it has, with commas between them." default:"bash,git,openssh-client,ca-certificates,curl,wget,build-essential,pkg-config,python3,python3-venv,python3-pip,procps,sudo,unzip,zip,xz-utils,bzip2,jq,file,less"`
	Rootfs     string `help:"A tar archive with a whole file system, in place of Debian's packages; - is standard input." placeholder:"FILE"`
	Dockerfile bool   `help:"Print a Dockerfile for the same image, for those who have a registry, and make nothing."`
}

// Help shows an example.
func (imageBuildCommand) Help() string {
	return "Example: sudo headrace worker image build --suite bookworm\n\nIt uses debootstrap, which needs root and takes some minutes. Without root: headrace worker image build --dockerfile."
}

// Run makes the image.
func (c imageBuildCommand) Run(ctx context.Context, t terminal) error {
	packages := strings.FieldsFunc(c.Packages, func(r rune) bool { return r == ',' || r == ' ' })
	for _, p := range append(packages, c.Suite) {
		if strings.HasPrefix(p, "-") || strings.ContainsAny(p, "\n'\"\\$`;&|<>") {
			return fault.New(fault.Invalid, "%q is no name of a package or release.", p)
		}
	}
	if c.Dockerfile {
		_, err := fmt.Fprintf(t.out, dockerfile, c.Suite, strings.Join(packages, " "))
		return err
	}
	shop, err := docker.NewWorkshop(c.DockerHost)
	if err != nil {
		return err
	}
	defer func() { _ = shop.Close() }()
	if c.Rootfs != "" {
		err = c.importFile(ctx, shop)
	} else {
		err = c.bootstrap(ctx, t, shop, packages)
	}
	if err != nil {
		return err
	}
	found, err := shop.Look(ctx, c.Tag, nil)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "%s: %s\n", c.Tag, verdict(found))
	if err == nil && len(found.Programs) > 0 {
		_, err = fmt.Fprintf(t.out, "It has %s.\n", contents(found))
	}
	if err == nil && !found.Usable() {
		err = errQuiet
	}
	return err
}

const dockerfile = `FROM debian:%s-slim
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends %s && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 --shell /bin/bash travis && mkdir -p /etc/sudoers.d && echo 'travis ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/travis
ENV LANG=C.UTF-8
USER travis
WORKDIR /home/travis
`

func (c imageBuildCommand) importFile(ctx context.Context, shop *docker.Workshop) error {
	in := os.Stdin
	if c.Rootfs != "-" {
		f, err := os.Open(c.Rootfs)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "The archive %s cannot be read.", c.Rootfs)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	return shop.Import(ctx, in, c.Tag, "")
}

// bootstrap makes the file system with debootstrap, in a directory that is removed after it.
func (c imageBuildCommand) bootstrap(ctx context.Context, t terminal, shop *docker.Workshop, packages []string) (err error) {
	program, err := exec.LookPath("debootstrap")
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "Without a registry an image is made with debootstrap, which is not installed here (apt-get install debootstrap). With a registry: headrace worker image build --dockerfile.")
	}
	if os.Geteuid() != 0 {
		return fault.New(fault.Forbidden, "debootstrap needs root: sudo headrace worker image build. Without root: headrace worker image build --dockerfile.")
	}
	dir, err := os.MkdirTemp("", "headrace-image-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	args := []string{"--variant=minbase", "--include=" + strings.Join(packages, ","), c.Suite, dir}
	if c.Mirror != "" {
		args = append(args, c.Mirror)
	}
	_, _ = fmt.Fprintf(t.err, "debootstrap makes %s with %d packages; this takes some minutes.\n", c.Suite, len(packages))
	made := exec.CommandContext(ctx, program, args...)
	made.Stdout, made.Stderr = t.err, t.err
	if err := made.Run(); err != nil {
		return fault.Wrap(fault.Unavailable, err, "debootstrap did not make the file system; its last lines say why. Is the mirror within reach?")
	}
	if err := furnish(dir); err != nil {
		return err
	}
	archive := exec.CommandContext(ctx, "tar", "-C", dir, "--numeric-owner", "--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./var/cache/apt/archives/*.deb", "-c", ".")
	files, err := archive.StdoutPipe()
	if err != nil {
		return err
	}
	archive.Stderr = t.err
	if err := archive.Start(); err != nil {
		return err
	}
	err = shop.Import(ctx, files, c.Tag, "travis")
	_, _ = io.Copy(io.Discard, files) // so that tar ends when the import did early
	return errors.Join(err, archive.Wait())
}

// furnish adds the user travis.
func furnish(dir string) error {
	const id = 1000
	for _, f := range []struct{ name, line string }{
		{"etc/passwd", "travis:x:1000:1000::/home/travis:/bin/bash\n"},
		{"etc/group", "travis:x:1000:\n"},
		{"etc/shadow", "travis:!:20000:0:99999:7:::\n"},
	} {
		file, err := os.OpenFile(filepath.Join(dir, f.name), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = file.WriteString(f.line)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	// Of use only where the worker has --job-sudo.
	if sudoers := filepath.Join(dir, "etc", "sudoers.d"); exists(sudoers) {
		if err := os.WriteFile(filepath.Join(sudoers, "travis"), []byte("travis ALL=(ALL) NOPASSWD: ALL\n"), 0o440); err != nil {
			return err
		}
	}
	home := filepath.Join(dir, "home", "travis")
	return errors.Join(os.Mkdir(home, 0o755), os.Chown(home, id, id))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
