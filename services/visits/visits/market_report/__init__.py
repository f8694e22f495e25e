"""Market situation reports 市场状况反映表."""
