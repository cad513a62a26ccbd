"""The command line: one module per group of commands. They read options, call, and show; what is done is done elsewhere."""
