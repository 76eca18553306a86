"""Reports: a diagnosis as text, JSON, JUnit or a page. Nothing here decides anything."""
