"""Which frames of a finished clip are worth remembering: selectors, and the filters that refuse frames."""
