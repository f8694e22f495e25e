"""Complaint lines of daily reports 客诉处理, out to the complaints service and its answers back."""
