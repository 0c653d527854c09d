"""What the benchmarks share: clips, the other programs, running and watching them, the record and its page."""
