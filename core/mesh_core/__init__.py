"""The ground floor: values and decisions without I/O."""
