package dispatch

import (
	"fmt"

	"github.com/headrace/headrace/platform/ci"
)

// Why says, for people, what a job waits for, given how the queues stand; empty where it does not wait. Whether a stage holds
// it back is said by [WhyStage].
func Why(j ci.Job, queues []ci.QueueStatus) string {
	if j.State != ci.Created && j.State != ci.Queued {
		return ""
	}
	var q ci.QueueStatus
	for _, each := range queues {
		if each.Queue == j.Queue {
			q = each
		}
	}
	switch {
	case q.Workers == 0:
		return fmt.Sprintf("No worker takes jobs from the queue %s. Start one there.", j.Queue)
	case q.FreeSlots <= 0:
		return fmt.Sprintf("%s on the queue %s %s busy.", all(q.Slots, "slot"), j.Queue, is(q.Slots))
	case j.State == ci.Queued:
		return "A worker is about to take it."
	}
	return fmt.Sprintf("It is about to be queued on %s.", j.Queue)
}

// WhyStage says, for people, which stage a job waits for, given all jobs of its build; empty where none holds it back.
func WhyStage(j ci.Job, build []ci.Job) string {
	if j.State != ci.Created || j.StageNumber == 0 {
		return ""
	}
	open, _ := ci.StageGate(build)
	if open >= j.StageNumber {
		return ""
	}
	name, left := "", 0
	for _, other := range build {
		if other.StageNumber == open {
			name = other.StageName
			if !other.State.Final() {
				left++
			}
		}
	}
	if left == 0 {
		return fmt.Sprintf("It waits for the stage %s.", name)
	}
	return fmt.Sprintf("It waits for the stage %s, which has %d %s to go.", name, left, plural(left, "job"))
}

func all(n int, noun string) string {
	if n == 1 {
		return "The only " + noun
	}
	return fmt.Sprintf("All %d %ss", n, noun)
}

func is(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
