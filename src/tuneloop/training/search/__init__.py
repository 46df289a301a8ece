"""Which values of the recipe's training section do best, and whether more rows would help."""
