"""The queue of what somebody has to sign 核签."""
