"""The life of a cell: a model is built, trained under its budget, and judged by its task."""
