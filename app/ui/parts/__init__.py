"""What the tabs are made of: controls from the schema, the shared generation part, events, theme."""
