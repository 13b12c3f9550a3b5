package ci

import "testing"

func TestWait_Text(t *testing.T) {
	t.Parallel()
	for want, w := range map[string]Wait{
		"": {},
		"Its turn comes after stage test, which has 2 jobs to go.":                       {Kind: WaitStage, Name: "test", Now: 2},
		"Its turn comes after stage test, which has 1 job to go.":                        {Kind: WaitStage, Name: "test", Now: 1},
		"Its turn comes after stage test.":                                               {Kind: WaitStage, Name: "test"},
		"The queue q is paused by ines.":                                                 {Kind: WaitPaused, Queue: "q", Name: "ines"},
		"The queue q is paused.":                                                         {Kind: WaitPaused, Queue: "q"},
		"The message broker does not take it: connection refused":                        {Kind: WaitBroker, Name: "connection refused"},
		"No worker takes jobs from the queue q. Start one there.":                        {Kind: WaitNoWorker, Queue: "q"},
		"No worker of the queue q can start jobs now. mill-1: Its engine is away.":       {Kind: WaitTrouble, Queue: "q", Name: "mill-1: Its engine is away."},
		"Every worker of the queue q is draining: it takes no more jobs.":                {Kind: WaitDraining, Queue: "q"},
		"The queue q runs 4 of 3 jobs.":                                                  {Kind: WaitLimitQueue, Queue: "q", Now: 4, Most: 3},
		"acme/app runs 2 of 2 jobs.":                                                     {Kind: WaitLimitRepository, Name: "acme/app", Now: 2, Most: 2},
		"acme runs 2 of 2 jobs.":                                                         {Kind: WaitLimitOwner, Name: "acme", Now: 2, Most: 2},
		"Headrace runs 9 of 9 jobs.":                                                     {Kind: WaitLimitAll, Now: 9, Most: 9},
		"The only slot on the queue q is busy.":                                          {Kind: WaitBusy, Queue: "q", Most: 1, Now: 1},
		"All 8 slots on the queue q are busy. 3 jobs of its repository come first.":      {Kind: WaitBusy, Queue: "q", Most: 8, Now: 8, Ahead: 3},
		"A worker is about to take it.":                                                  {Kind: WaitNext, Queue: "q"},
		"Its turn comes on the queue q. 1 job of its repository comes first.":            {Kind: WaitNext, Queue: "q", Ahead: 1},
		"Its turn comes on the queue q. At least 200 jobs of its repository come first.": {Kind: WaitNext, Queue: "q", Ahead: MostAhead},
	} {
		if got := w.Text(); got != want {
			t.Errorf("want %q, got %q", want, got)
		}
		if got := w.Held(); got != (want != "" && want != "A worker is about to take it.") {
			t.Errorf("%q: held is %v", want, got)
		}
	}
}
