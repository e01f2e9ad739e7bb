"""Parameters of a head for other programs, datagram by datagram: one module for each protocol."""
