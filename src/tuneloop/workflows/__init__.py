"""What crosses the domains: each file is one thing that the software does from beginning to end."""
