"""From finished shots to one film, and the names people look at."""
