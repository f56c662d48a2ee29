"""Built-in executors: serial, thread, process."""
