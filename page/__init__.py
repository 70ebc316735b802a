"""Shows a home in a browser: what goes on, what comes next, the days, and what was wrong.

It reads MQTT and the journal and writes neither: what a person changes it asks of those who do.

- ``now``: messages to what is going on, and questions to who keeps the journal
- ``days``: the journal as days: rows of a timeline, colours of activities
- ``report_card``: how good the forecasts were here, week by week
- ``teaching``: a home's own activities: the clips to learn from, and learning
- ``words``: every string, in English and German, and how times and shares are written
- ``guard``: who may see it: hosts, passwords, sign-ins
- ``web``: routes, templates, styles, and events to the browser
- ``commands``: ``har-page``, and ``har``, which runs all of a home
"""
