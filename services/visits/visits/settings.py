"""Settings of visits, from the environment (prefix SALESBEAT_): those that every service has."""

from chassis.settings import Settings as Settings
