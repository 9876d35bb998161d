#!/usr/bin/env python3
"""Engines that `portcullis docker` reaches over TCP, without TLS and with it, as the `docker` command is told of them.

Makes certificates with openssl and starts engines of its own on loopback. A wrong certificate, none, and one of
somebody else are refused, and the reason is told.
"""
import hashlib
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

import wire


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def authority(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", f"{folder}/{name}-key.pem", "-out", f"{folder}/{name}.pem")


def certificate(folder, name, by, usage, names=""):
    """Signed by that authority."""
    extensions = f"{folder}/{name}.ext"
    with open(extensions, "w") as file:
        file.write(f"extendedKeyUsage={usage}\n" + (f"subjectAltName={names}\n" if names else ""))
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{folder}/{name}-key.pem", "-out", f"{folder}/{name}.csr")
    openssl("x509", "-req", "-days", "2", "-in", f"{folder}/{name}.csr", "-CA", f"{folder}/{by}.pem", "-CAkey", f"{folder}/{by}-key.pem",
            "-CAcreateserial", "-extfile", extensions, "-out", f"{folder}/{name}.pem")


def lay_out(folder, name, ca=None, cert=None):
    """The files as DOCKER_CERT_PATH and contexts have them."""
    place = f"{folder}/{name}"
    os.makedirs(place)
    if ca:
        shutil.copy(f"{folder}/{ca}.pem", place + "/ca.pem")
    if cert:
        shutil.copy(f"{folder}/{cert}.pem", place + "/cert.pem")
        shutil.copy(f"{folder}/{cert}-key.pem", place + "/key.pem")
    return place


def context(folder, name, host, files, skip=False):
    """A context as the docker command stores it; gives DOCKER_CONFIG."""
    config = tempfile.mkdtemp(dir=folder)
    key = hashlib.sha256(name.encode()).hexdigest()
    os.makedirs(f"{config}/contexts/meta/{key}")
    with open(f"{config}/contexts/meta/{key}/meta.json", "w") as file:
        json.dump({"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": skip}}}, file)
    if files:
        shutil.copytree(files, f"{config}/contexts/tls/{key}/docker")
    with open(config + "/config.json", "w") as file:
        json.dump({"currentContext": name}, file)
    return config


def version(**variables):
    """What docker_version says of the engine that these variables name: its result, or why there is none."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
    environment.update(variables)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        process = subprocess.Popen([wire.BINARY, "docker"], cwd=folder, env=environment, text=True, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        answers = queue.Queue()
        threading.Thread(target=lambda: [answers.put(json.loads(line)) for line in process.stdout], daemon=True).start()
        for message in [wire.INITIALIZE, wire.INITIALIZED, wire.call(2, "docker_version", {})]:
            process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        try:
            while True:
                answer = answers.get(timeout=wire.PATIENCE)
                if answer.get("id") == 2:
                    break
        finally:
            process.stdin.close()
            process.wait(30)
        with open(folder + "/mcp_audit.log") as file:
            engines = {json.loads(line).get("detail", {}).get("engine") for line in file}
    result = answer["result"]
    if result.get("isError"):
        return None, result["content"][0]["text"]
    return engines - {None}, result["structuredContent"]["version"]["Version"]


def works(engine, **variables):
    engines, told = version(**variables)
    assert engines == {engine}, (engines, told, variables)


def fails(*words, **variables):
    engines, told = version(**variables)
    assert engines is None and any(word in told.lower() for word in words), (engines, told, variables)


def main():
    folder = tempfile.mkdtemp(prefix="tls", dir="/tmp")
    try:
        authority(folder, "ours")
        authority(folder, "theirs")
        certificate(folder, "engine", "ours", "serverAuth", "IP:127.0.0.1,DNS:localhost")
        certificate(folder, "me", "ours", "clientAuth")
        certificate(folder, "stranger", "theirs", "clientAuth")
        right = lay_out(folder, "right", "ours", "me")
        wrong_ca = lay_out(folder, "wrong-ca", "theirs", "me")
        nobody = lay_out(folder, "nobody", "ours")
        stranger = lay_out(folder, "stranger-files", "ours", "stranger")
        no_ca = lay_out(folder, "no-ca", None, "me")

        plain = free_port()
        with wire.Engine("--host", f"tcp://127.0.0.1:{plain}", "--tls=false"):
            at = f"tcp://127.0.0.1:{plain}"
            works(at, DOCKER_HOST=at)
            works(at, DOCKER_BASE_URL=at)
            works(at, DOCKER_CONFIG=context(folder, "lab", at, None))
            # Who asks for TLS does not get less, with certificates or without.
            fails("tls", "certificate", "corrupt", "invalid", "record", DOCKER_BASE_URL=at, DOCKER_TLS_VERIFY="true")
            fails("tls", "certificate", "corrupt", "invalid", "record", DOCKER_HOST=at, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=folder + "/none")
            fails("tls", "certificate", "corrupt", "invalid", "record", DOCKER_HOST=at, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=right)
        fails("does not answer", DOCKER_HOST=at)
        print("ok an engine over TCP")

        port = free_port()
        files = ["--tlsverify", "--tlscacert", f"{folder}/ours.pem", "--tlscert", f"{folder}/engine.pem", "--tlskey", f"{folder}/engine-key.pem"]
        with wire.Engine("--host", f"tcp://127.0.0.1:{port}", "--host", f"tcp://127.0.0.2:{port}", *files):
            at, secure = f"tcp://127.0.0.1:{port}", f"https://127.0.0.1:{port}"
            verify = dict(DOCKER_HOST=at, DOCKER_TLS_VERIFY="1")
            works(secure, **verify, DOCKER_CERT_PATH=right)
            works(f"https://localhost:{port}", DOCKER_HOST=f"tcp://localhost:{port}", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=right)
            fails("certificate", "unknownissuer", **verify, DOCKER_CERT_PATH=wrong_ca)
            fails("certificate", **verify, DOCKER_CERT_PATH=nobody)
            fails("certificate", "alert", **verify, DOCKER_CERT_PATH=stranger)
            # Without an authority of its own the system's are asked, which do not know this one.
            fails("certificate", "unknownissuer", **verify, DOCKER_CERT_PATH=no_ca)
            fails("certificate", "unknownissuer", DOCKER_BASE_URL=at, DOCKER_TLS_VERIFY="true")
            # Another name than the certificate has.
            fails("certificate", "name", DOCKER_HOST=f"tcp://127.0.0.2:{port}", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=right)
            # No TLS to a port that has it.
            fails("tls", "https", DOCKER_HOST=at)
            print("ok DOCKER_TLS_VERIFY and DOCKER_CERT_PATH")

            mine = dict(DOCKER_TLS_VERIFY="true", DOCKER_TLS_CA_CERT=right + "/ca.pem", DOCKER_TLS_CLIENT_CERT=right + "/cert.pem",
                        DOCKER_TLS_CLIENT_KEY=right + "/key.pem")
            works(secure, DOCKER_BASE_URL=at, **mine)
            fails("certificate", "unknownissuer", DOCKER_BASE_URL=at, **{**mine, "DOCKER_TLS_CA_CERT": wrong_ca + "/ca.pem"})
            print("ok mcp-docker's variables")

            works(secure, DOCKER_CONFIG=context(folder, "lab", at, right))
            works(secure, DOCKER_CONFIG=context(folder, "lab", at, right), DOCKER_CONTEXT="lab")
            fails("certificate", "unknownissuer", DOCKER_CONFIG=context(folder, "lab", at, wrong_ca))
            fails("certificate", DOCKER_CONFIG=context(folder, "lab", at, nobody))
            # Only a context may say that the engine's certificate is not looked at; ours is still asked for.
            works(secure, DOCKER_CONFIG=context(folder, "lab", at, wrong_ca, skip=True))
            fails("certificate", DOCKER_CONFIG=context(folder, "lab", at, None, skip=True))
            print("ok contexts")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
