"""Local offices 办事处 with time zone and working calendar."""
