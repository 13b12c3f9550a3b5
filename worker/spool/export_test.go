package spool

// InMemory is how much text of parts is in memory.
func (s *Spool) InMemory() int64 { return s.memory.inUse() }
