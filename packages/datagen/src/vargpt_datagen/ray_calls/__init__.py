"""Calls to an endpoint spread over the machines of a Ray cluster: `--engine ray` of builds."""
