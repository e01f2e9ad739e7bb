"""The workbench: an avatar in the browser, posed, played, directed and recorded from there."""
