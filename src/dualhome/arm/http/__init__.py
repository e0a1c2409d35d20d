"""Requests: which resource a path means, who may do it, in which form the answer goes back."""
