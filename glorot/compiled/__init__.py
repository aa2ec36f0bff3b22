"""What everything compiled rests on: the cache of machine code, and exp, log and tanh without a C library."""
