"""Built-in plugins: formats, selectors, filters, encoders, transitions, executors, planners."""
