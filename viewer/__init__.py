"""Avatar and motion to people and programs: video files, viewers, exporters, bridges."""
