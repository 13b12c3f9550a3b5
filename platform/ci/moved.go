package ci

// ChangeOf says that a job was changed.
func ChangeOf(j Job) Change {
	return Change{Kind: ChangeJob, Repository: j.RepositoryID, Build: j.BuildID, Job: j.ID, Attempt: j.Attempt, State: string(j.State)}
}

// Changes says what was changed by moving jobs: each job with those that were dropped for it, then each build once, as the
// last of its jobs left it. Stale reports changed nothing.
func Changes(moved ...Moved) []Change {
	var jobs, builds []Change
	place := map[int64]int{}
	for _, m := range moved {
		if m.Stale {
			continue
		}
		jobs = append(jobs, ChangeOf(m.Job))
		for _, j := range m.Dropped {
			jobs = append(jobs, ChangeOf(j))
		}
		b := Change{Kind: ChangeBuild, Repository: m.Job.RepositoryID, Build: m.Job.BuildID, State: string(m.BuildState)}
		if i, known := place[b.Build]; known {
			builds[i] = b
			continue
		}
		place[b.Build] = len(builds)
		builds = append(builds, b)
	}
	return append(jobs, builds...)
}
