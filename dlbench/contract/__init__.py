"""What plugins and the core promise each other: kinds, specs, hooks, learners, recipes."""
