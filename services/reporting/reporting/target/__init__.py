"""Monthly sales targets of people 销售目标 (domain.md R-01, R-02)."""
