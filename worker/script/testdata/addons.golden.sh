#!/bin/bash
# The script of job 12.3 of acme/app, made by Headrace.
# It ends with 0 = passed, 1 = failed, 2 = errored: the job could not be set up.
# shellcheck disable=SC1090,SC1091,SC2016,SC2034,SC2088,SC2317,SC2319

# (runtime.sh)
# (addons.sh)
headrace_own=
# (services.sh)
# (apt.sh)

# ==== The job ====
# In braces, so that bash reads all of it before it runs any of it.
{

# ---- Built-in variables ----
export CI=true
export TRAVIS=true
export CONTINUOUS_INTEGRATION=true
export HEADRACE=true
export PAGER=cat
export DEBIAN_FRONTEND=noninteractive
export GIT_TERMINAL_PROMPT=0
export TRAVIS_ALLOW_FAILURE=false
export TRAVIS_BRANCH=main
export TRAVIS_BUILD_ID=33
export TRAVIS_BUILD_NUMBER=12
export TRAVIS_BUILD_STAGE_NAME=Test
export TRAVIS_COMMIT=0123456789abcdef0123456789abcdef01234567
export TRAVIS_COMMIT_MESSAGE='Turn the wheel'\''s gate

It was $STUCK.'
export TRAVIS_COMMIT_RANGE=aaa...bbb
export TRAVIS_EVENT_TYPE=push
export TRAVIS_JOB_ID=71
export TRAVIS_JOB_NAME=''
export TRAVIS_JOB_NUMBER=12.3
export TRAVIS_LANGUAGE=generic
export TRAVIS_OS_NAME=linux
export TRAVIS_DIST=''
export TRAVIS_PULL_REQUEST=false
export TRAVIS_PULL_REQUEST_BRANCH=''
export TRAVIS_PULL_REQUEST_SHA=''
export TRAVIS_PULL_REQUEST_SLUG=''
export TRAVIS_PULL_REQUEST_IS_DRAFT=''
export TRAVIS_REPO_PRIVATE=false
export TRAVIS_REPO_SLUG=acme/app
export TRAVIS_SECURE_ENV_VARS=false
export TRAVIS_JOB_RESTARTED=false
export TRAVIS_JOB_RESTARTED_BY=''
export TRAVIS_TAG=''
export TRAVIS_TEST_RESULT=''
export TRAVIS_ROOT=/
export TRAVIS_JOB_WEB_URL=https://ci.mill.example/r/acme/app/jobs/12.3 TRAVIS_BUILD_WEB_URL=https://ci.mill.example/r/acme/app/builds/12
export TRAVIS_HOME=$HOME TRAVIS_TMPDIR=$headrace_tmp
export TRAVIS_BUILD_DIR=$HOME/build/acme/app
case $(uname -m) in
  x86_64) TRAVIS_CPU_ARCH=amd64 ;;
  aarch64) TRAVIS_CPU_ARCH=arm64 ;;
  *) TRAVIS_CPU_ARCH=$(uname -m) ;;
esac
export TRAVIS_CPU_ARCH TRAVIS_ARCH=$TRAVIS_CPU_ARCH

# ---- addons.apt ----
headrace_start apt.source.1 'headrace_apt_source '\''ppa:ubuntu-toolchain-r/test'\''' 'add the source of packages ppa:ubuntu-toolchain-r/test'
eval "$TRAVIS_CMD"
headrace_end $?
headrace_start apt.source.2 'headrace_apt_source '\''deb https://apt.llvm.org/focal/ llvm-toolchain-focal-14 main'\'' '\''https://apt.llvm.org/llvm-snapshot.gpg.key'\''' 'add the source of packages deb https://apt.llvm.org/focal/ llvm-toolchain-focal-14 main'
eval "$TRAVIS_CMD"
headrace_end $?
headrace_start apt.source.3 'headrace_apt_source '\''deb https://x.example focal main'\'' '\''https://x.example/key'\''' 'add the source of packages deb https://x.example focal main'
eval "$TRAVIS_CMD"
headrace_end $?
headrace_say 'addons.apt: no source of packages is known by the name nonesuch. Give its sourceline and key_url.'
headrace_start apt.update 'headrace_apt_update' 'apt-get update'
travis_retry eval "$TRAVIS_CMD"
headrace_end $?
headrace_say 'addons.apt: "$(x)" is no name of a package; it is left out.'
headrace_start apt.install 'headrace_apt_install git jq '\''libssl-dev=1.1*'\''' 'apt-get install git jq '\''libssl-dev=1.1*'\'''
travis_retry eval "$TRAVIS_CMD"
headrace_end $?
headrace_say 'addons.hosts: "-b" is no name of a host; it is left out.'
headrace_start addons.hosts 'printf '\''%s\n'\'' '\''127.0.0.1 a.example'\'' | headrace_root tee -a /etc/hosts >/dev/null' 'add to /etc/hosts: '\''127.0.0.1 a.example'\'''
eval "$TRAVIS_CMD"
headrace_end $?

# ---- services ----
headrace_start services.1 'headrace_docker' 'docker version'
eval "$TRAVIS_CMD"
headrace_end $?
headrace_start services.2 'headrace_service postgresql postgresql 5432' 'service postgresql start'
eval "$TRAVIS_CMD"
headrace_end $?
headrace_start services.3 'headrace_xvfb' 'Xvfb :99 -screen 0 1280x1024x24 & export DISPLAY=:99.0'
eval "$TRAVIS_CMD"
headrace_end $?
headrace_start services.4 'headrace_service mysql mysql 3306' 'service mysql start'
eval "$TRAVIS_CMD"
headrace_end $?
headrace_say 'services: Headrace knows no nonesuch.'

# ---- addons ----
if headrace_has google-chrome; then
  headrace_announce google-chrome --version
elif headrace_has google-chrome-stable; then
  headrace_announce google-chrome-stable --version
elif headrace_has chromium; then
  headrace_announce chromium --version
elif headrace_has chromium-browser; then
  headrace_announce chromium-browser --version
else
  headrace_say 'addons.chrome: the image of this job has no chrome. Use an image that has it.'
fi
headrace_say 'addons.mariadb: Headrace does not install mariadb. Use an image that has it, or map it beside the job with services.'
if [[ -x /usr/lib/postgresql/13/bin/postgres ]]; then
  headrace_start addons.postgresql 'export PATH=/usr/lib/postgresql/13/bin:$PATH'
  eval "$TRAVIS_CMD"
  headrace_end $?
else
  headrace_say 'addons.postgresql: the image of this job has no PostgreSQL 13. The version that it has is used.'
fi
headrace_say 'addons.sauce_connect: Headrace does not speak to that service. Call its tool in a phase of the job.'
headrace_say 'addons.snaps: this machine has no such installer. Use addons.apt.'
headrace_start addons.ssh_known_hosts.1 'mkdir -p -m 700 ~/.ssh && ssh-keyscan -p 2222 -T 10 git.example >> ~/.ssh/known_hosts 2>/dev/null' 'ssh-keyscan -p 2222 git.example >> ~/.ssh/known_hosts'
travis_retry eval "$TRAVIS_CMD"
headrace_end $?
headrace_say 'addons.ssh_known_hosts: "-oProxyCommand=x" is no host; it is left out.'

# ---- checkout ----
headrace_phase=checkout
headrace_enter "$HOME"/build/acme
headrace_start git.checkout.1 'headrace_clone https://git.mill.example/acme/app.git app main --depth=50' 'git clone --depth=50 --branch=main https://git.mill.example/acme/app.git app'
travis_retry eval "$TRAVIS_CMD"
headrace_end $?
headrace_start git.checkout.2 'cd app'
eval "$TRAVIS_CMD"
headrace_end $?
if ! git cat-file -e '0123456789abcdef0123456789abcdef01234567^{commit}' 2>/dev/null; then
  headrace_start git.checkout.3 'headrace_need_commit 0123456789abcdef0123456789abcdef01234567 --depth=50' 'git fetch origin 0123456789abcdef0123456789abcdef01234567'
  travis_retry eval "$TRAVIS_CMD"
  headrace_end $?
fi
headrace_start git.checkout.4 'git checkout -qf 0123456789abcdef0123456789abcdef01234567'
eval "$TRAVIS_CMD"
headrace_end $?
if [[ -f .gitmodules ]]; then
  headrace_start git.checkout.5 'git submodule update --init --recursive'
  travis_retry eval "$TRAVIS_CMD"
  headrace_end $?
fi

# ---- script ----
headrace_phase=script
headrace_start '' 'make'
eval "$TRAVIS_CMD"
headrace_end $?
TRAVIS_TEST_RESULT=$headrace_result
exit "$headrace_result"
}
