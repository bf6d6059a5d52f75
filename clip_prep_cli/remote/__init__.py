"""What is at URLs: inputs, and sets."""
