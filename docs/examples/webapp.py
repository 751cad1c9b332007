"""A web application whose films are converted by a plimsoll fleet: a form, and a page that shows how far each film is.

    pip install flask "psycopg[binary]" boto3
    PLIMSOLL_QUEUE=postgres://… PLIMSOLL_FILES=s3://films/prod flask --app webapp run

It reads the same variables as `plimsoll worker`. Not shown here: who is signed in, and uploads past the web server.
"""
import os
import uuid

import boto3
import psycopg
from botocore.config import Config
from flask import Flask, abort, redirect, render_template_string, request, url_for
from werkzeug.utils import secure_filename

QUEUE = os.environ["PLIMSOLL_QUEUE"]
BUCKET, _, PREFIX = os.environ["PLIMSOLL_FILES"].removeprefix("s3://").strip("/").partition("/")
BELOW = f"{PREFIX}/" if PREFIX else ""  # keys in the queue do not have the prefix of the fleet's files
PRESETS = ["web-720p", "proxy-480p"]  # what users may choose from
app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 2 * 1024**3
# Many stores besides Amazon's do not know the newest kinds of checksums.
checksums = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
s3 = boto3.client("s3", region_name=os.environ.get("AWS_REGION"), config=Config(signature_version="s3v4", **checksums))
with psycopg.connect(QUEUE) as db:
    db.execute("CREATE TABLE IF NOT EXISTS film (id uuid PRIMARY KEY, name text NOT NULL, job bigint NOT NULL)")


@app.get("/")
def form():
    return render_template_string("""<form method="post" enctype="multipart/form-data"><input type="file" name="film" required>
        <select name="preset">{% for p in presets %}<option>{{ p }}{% endfor %}</select><button>Convert</button></form>""", presets=PRESETS)


@app.post("/")
def upload():
    film, preset = request.files.get("film"), request.form.get("preset", PRESETS[0])
    if not film or preset not in PRESETS:
        abort(400)
    number, name = uuid.uuid4(), secure_filename(film.filename) or "film"  # no path, nothing that a shell or page would read
    key = f"in/{number.hex}/{name}"
    s3.upload_fileobj(film, BUCKET, BELOW + key)
    with psycopg.connect(QUEUE) as db:  # one transaction: the film and its job are both there, or neither
        job = db.execute("SELECT plimsoll.enqueue(%s, %s, %s)", (key, preset, f"films/{number.hex}.mp4")).fetchone()[0]
        db.execute("INSERT INTO film (id, name, job) VALUES (%s, %s, %s)", (number, name, job))
    return redirect(url_for("show", number=number), 303)


@app.get("/films/<uuid:number>")  # which cannot be guessed, unlike a job's number
def show(number):
    with psycopg.connect(QUEUE, row_factory=psycopg.rows.dict_row) as db:
        film = db.execute("SELECT f.name, j.* FROM film f JOIN plimsoll.jobs j ON j.id = f.job WHERE f.id = %s", (number,)).fetchone()
    if not film:
        abort(404)
    link = film["state"] == "done" and s3.generate_presigned_url(  # the bucket stays private: a link for an hour
        "get_object", Params={"Bucket": BUCKET, "Key": BELOW + film["output"]}, ExpiresIn=3600)
    return render_template_string("""{% if film.state in ("queued", "running") %}<meta http-equiv="refresh" content="2">{% endif %}
        <p>{{ film.name }}: {{ film.state }} {{ "%.0f %%"|format(100 * film.progress) if film.progress is not none }} {{ film.reason or "" }}
        {% if link %}<a href="{{ link }}">watch</a>{% endif %}""", film=film, link=link)
