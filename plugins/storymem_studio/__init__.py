"""Studio: a page in the browser that shows runs, live, and changes them through the Python interface."""
