package foreign

// Step is a moment in the work on a job.
type Step string

// The steps, in order.
const (
	Delivered Step = "delivered"           // nobody has heard of it
	Received  Step = "received"            // reported, as are the next two
	Started   Step = "started"             // before the script runs
	Logging   Step = "in the middle"       // some of the log is sent, the script runs
	Finished  Step = "finished"            // reported, neither acknowledged nor its log complete
	Acked     Step = "finished and let go" // acknowledged, its log not complete
)

// Steps are all of them.
func Steps() []Step { return []Step{Delivered, Received, Started, Logging, Finished, Acked} }

// at holds the worker at the step it is to be killed in. It returns when that is done, and at any other step at once.
func (t *task) at(step Step) {
	if t.config.HoldAt != step {
		return
	}
	t.holding.Do(func() { close(t.held) })
	<-t.ctx.Done()
}

// Held is closed when the worker has come to the step at which it is held.
func (w *Worker) Held() <-chan struct{} { return w.held }
