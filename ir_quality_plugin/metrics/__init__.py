"""How metrics are judged: intervals, and agreement with human opinions."""
