"""The page of `vargpt demo`: `talk` and `live_reply` know no web server, `page` and `server` do."""
