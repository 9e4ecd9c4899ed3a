"""Judges what sslyze and testssl.sh found of a listener: `tls_findings.py NAME SSLYZE.json TESTSSL.json`. Prints every
finding that is not accepted here, and then fails; a scanner that did not come to its end, or did not look at what counts,
is a finding too."""

import json
import sys

# What testssl.sh dislikes and stays, by the beginning of its words; docs/PROTOCOL.md tells why.
ACCEPTED = {
    "TLS_session_ticket": "valid for 604800 seconds",
    # Of the certificate of `try`, not of the gateway's TLS.
    "cert_revocation": "Neither CRL nor OCSP URI provided",
    # Of the scanner itself: what its OpenSSL lacks, and that it knows no FTP behind TLS.
    "engine_problem": "No engine or GOST support",
    "service": "Couldn't determine service",
}
LOOKED_AT_BY_TESTSSL = (
    "SSLv2 SSLv3 TLS1 TLS1_1 TLS1_2 TLS1_3 cipherlist_NULL cipherlist_aNULL cipherlist_EXPORT cipherlist_STRONG cert_trust"
    " cert_chain_of_trust heartbleed CCS ROBOT secure_renego secure_client_renego CRIME_TLS POODLE_SSL SWEET32 FREAK DROWN"
    " LOGJAM BEAST LUCKY13 RC4 scanTime"
).split()
# The only right answers to sslyze's questions.
RIGHT = {
    ("tls_compression", "supports_compression"): False,
    ("tls_1_3_early_data", "supports_early_data"): False,
    ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection"): False,
    ("tls_fallback_scsv", "supports_fallback_scsv"): True,
    ("heartbleed", "is_vulnerable_to_heartbleed"): False,
    ("robot", "robot_result"): "NOT_VULNERABLE_RSA_NOT_SUPPORTED",
    ("session_renegotiation", "supports_secure_renegotiation"): True,
    ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos"): False,
    ("tls_extended_master_secret", "supports_ems_extension"): True,
}
OLD = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")
NEW = ("tls_1_2", "tls_1_3")
SUITES = ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256")
FORWARD_SECRET = tuple(f"TLS_{agreed}{suite}" for agreed in ("", "ECDHE_ECDSA_WITH_", "ECDHE_RSA_WITH_") for suite in SUITES)
CURVES = ("X25519", "secp256r1", "secp384r1")


def of_sslyze(told):
    (server,) = told["server_scan_results"]
    if server["scan_status"] != "COMPLETED":
        yield f"the scan did not end: {server['connectivity_status']}"
        return
    results = {}
    for command, scan in server["scan_result"].items():
        if scan["status"] == "COMPLETED":
            results[command] = scan["result"]
        elif scan["status"] != "NOT_SCHEDULED":
            yield f"{command}: {scan['status']} ({scan['error_reason']})"
    for (command, question), right in RIGHT.items():
        answer = results.get(command, {}).get(question)
        if answer != right:
            yield f"{command}: {question} is {answer}"
    for version in (*OLD, *NEW):
        scan = results.get(f"{version}_cipher_suites")
        if not scan or not (scan["accepted_cipher_suites"] or scan["rejected_cipher_suites"]):
            yield f"{version}: was not looked at"
        elif scan["is_tls_version_supported"] != (version in NEW):
            yield f"{version}: is {'' if scan['is_tls_version_supported'] else 'not '}offered"
        else:
            suites = [accepted["cipher_suite"]["name"] for accepted in scan["accepted_cipher_suites"]]
            yield from (f"{version}: {suite}" for suite in suites if suite not in FORWARD_SECRET)
    curves = [curve["name"] for curve in results.get("elliptic_curves", {}).get("supported_curves") or ()]
    yield from ([] if curves else ["elliptic_curves: none was seen"])
    yield from (f"elliptic_curves: {curve}" for curve in curves if curve not in CURVES)
    for shown in results.get("certificate_info", {}).get("certificate_deployments") or [None]:
        if not shown or not any(path["was_validation_successful"] for path in shown["path_validation_results"]):
            yield "certificate_info: not what its authority vouches for"
        elif shown["verified_chain_has_sha1_signature"] or not shown["received_chain_has_valid_order"]:
            yield "certificate_info: a signature by SHA-1, or a chain in disorder"


def of_testssl(findings):
    seen = {finding["id"] for finding in findings}
    yield from (f"{wanted}: was not looked at" for wanted in LOOKED_AT_BY_TESTSSL if wanted not in seen)
    for finding in findings:
        accepted = ACCEPTED.get(finding["id"])
        if finding["severity"] in ("OK", "INFO") or accepted and finding["finding"].startswith(accepted):
            continue
        yield f"{finding['id']}: {finding['severity']}: {finding['finding']}"


def read(path):
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError) as problem:
        sys.exit(f"the scanner left no findings: {problem}")


def main():
    name, *files = sys.argv[1:]
    found = False
    for scanner, judge, file in zip(("sslyze", "testssl.sh"), (of_sslyze, of_testssl), files, strict=True):
        problems = list(judge(read(file)))
        found |= bool(problems)
        print(f"{name}: {scanner}: findings that are not explained: {len(problems)}")
        print("".join(f"  {problem}\n" for problem in problems), end="")
    sys.exit(found)


main()
