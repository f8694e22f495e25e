"""What somebody has to do now."""
