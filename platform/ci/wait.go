package ci

import "fmt"

// WaitKind says what a job waits for that is created or queued.
type WaitKind string

// What a job may wait for.
const (
	// WaitStage: an earlier stage of its build has not passed yet.
	WaitStage WaitKind = "stage"
	// WaitPaused: its queue hands out nothing.
	WaitPaused WaitKind = "queue_paused"
	// WaitBroker: it was handed out, but the broker does not take it.
	WaitBroker WaitKind = "broker_away"
	// WaitNoWorker: no worker listens on its queue.
	WaitNoWorker WaitKind = "no_worker"
	// WaitDraining: all workers of its queue finish what they have and take no more.
	WaitDraining WaitKind = "draining"
	// WaitTrouble: no worker of its queue can start jobs now.
	WaitTrouble WaitKind = "worker_trouble"
	// WaitLimitQueue, WaitLimitRepository, WaitLimitOwner and WaitLimitAll: as many jobs run as are allowed.
	WaitLimitQueue      WaitKind = "limit_queue"
	WaitLimitRepository WaitKind = "limit_repository"
	WaitLimitOwner      WaitKind = "limit_owner"
	WaitLimitAll        WaitKind = "limit_all"
	// WaitBusy: every slot of its queue has a job.
	WaitBusy WaitKind = "busy"
	// WaitNext: nothing holds it; a worker is about to have it.
	WaitNext WaitKind = "next"
)

// Wait is why a job has not begun.
type Wait struct {
	Kind  WaitKind
	Queue string
	// Name is what the kind is about: the stage, the repository, the owner, who paused the queue, what the broker or a worker said.
	Name string
	// Most is the limit or the number of slots, Now how many of those are in use, or jobs of the stage are still to end.
	Most, Now int
	// Ahead counts the jobs of its repository that come before it on the queue; those of others take turns with them.
	Ahead int
}

// Text is a sentence or two for people.
func (w Wait) Text() string {
	switch w.Kind {
	case WaitStage:
		return stageText(w)
	case WaitPaused:
		if w.Name != "" {
			return fmt.Sprintf("The queue %s is paused by %s.", w.Queue, w.Name)
		}
		return fmt.Sprintf("The queue %s is paused.", w.Queue)
	case WaitBroker:
		return "The message broker does not take it: " + w.Name
	case WaitNoWorker:
		return fmt.Sprintf("No worker takes jobs from the queue %s. Start one there.", w.Queue)
	case WaitDraining:
		return fmt.Sprintf("Every worker of the queue %s is draining: it takes no more jobs.", w.Queue)
	case WaitTrouble:
		return fmt.Sprintf("No worker of the queue %s can start jobs now. %s", w.Queue, w.Name)
	case WaitLimitQueue:
		return fmt.Sprintf("The queue %s runs %d of %d jobs.", w.Queue, w.Now, w.Most)
	case WaitLimitRepository, WaitLimitOwner:
		return fmt.Sprintf("%s runs %d of %d jobs.", w.Name, w.Now, w.Most)
	case WaitLimitAll:
		return fmt.Sprintf("Headrace runs %d of %d jobs.", w.Now, w.Most)
	case WaitBusy:
		return busyText(w) + aheadText(w)
	case WaitNext:
		if w.Ahead == 0 {
			return "A worker is about to take it."
		}
		return fmt.Sprintf("Its turn comes on the queue %s.", w.Queue) + aheadText(w)
	}
	return ""
}

// Held says whether what the job waits for has a name; one that is about to run does not wait.
func (w Wait) Held() bool { return w.Kind != "" && (w.Kind != WaitNext || w.Ahead > 0) }

func stageText(w Wait) string {
	if w.Now == 0 {
		return fmt.Sprintf("Its turn comes after stage %s.", w.Name)
	}
	return fmt.Sprintf("Its turn comes after stage %s, which has %s to go.", w.Name, countJobs(w.Now))
}

func busyText(w Wait) string {
	if w.Most == 1 {
		return fmt.Sprintf("The only slot on the queue %s is busy.", w.Queue)
	}
	return fmt.Sprintf("All %d slots on the queue %s are busy.", w.Most, w.Queue)
}

func aheadText(w Wait) string {
	switch {
	case w.Ahead == 0:
		return ""
	case w.Ahead >= MostAhead:
		return fmt.Sprintf(" At least %s of its repository come first.", countJobs(MostAhead))
	case w.Ahead == 1:
		return " 1 job of its repository comes first."
	}
	return fmt.Sprintf(" %s of its repository come first.", countJobs(w.Ahead))
}

// MostAhead is how far [Wait.Ahead] counts.
const MostAhead = 200

func countJobs(n int) string {
	if n == 1 {
		return "1 job"
	}
	return fmt.Sprintf("%d jobs", n)
}
