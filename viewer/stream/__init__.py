"""Parameters on the wire: an avatar moves elsewhere while it is driven here."""
