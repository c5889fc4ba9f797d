"""From records to rows: groups, intervals, ranks, comparisons, and how they are shown and published."""
