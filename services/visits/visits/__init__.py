"""The field work: visit plans, visits, calls, daily and market reports, forms, meetings, tasks, absences."""
