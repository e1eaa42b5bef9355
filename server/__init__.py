"""The process: settings, the application, the Socket.IO engine, the embedded database, the command line."""
