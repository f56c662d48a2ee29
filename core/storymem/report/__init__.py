"""A run as one page and as pictures: what was made, and what each shot saw, recalled and refused."""
