"""Daily visit plans 每日访问计划表 and their sign-off 核签."""
