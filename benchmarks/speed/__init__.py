"""How fast the scorers and losses are, beside pyiqa's and beside plain readings of the released networks."""
