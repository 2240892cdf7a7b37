//! Revocation by OpenSSL's hand, through the whole authorizer: an authority that `openssl ca` keeps, the lists that it
//! issues, and `openssl ocsp` as the responder that is asked over HTTP.

#![cfg(feature = "network")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/servers.rs"]
mod servers;
mod support;

use std::{fs, path::PathBuf};

use mtls_authorizer::{
    authorizer::Authorizer,
    certificate::Certificate,
    revocation::ocsp::{Answer, Question},
    signature::Strength,
    timestamp::Timestamp,
};
use serde_json::Value;
use servers::{Peer, ok, status};
use support::{
    Scratch,
    decisions::{
        Surroundings, ask, assert_allowed, assert_dangerously_allowed, assert_denied, assert_tells,
        event_of, now,
    },
    function::{self, Function},
    openssl::{Responder, openssl_status},
    scratch,
};

/// An authority with two clients, `good.pem` and `revoked.pem`, in a directory of its own. Whatever it issues is valid
/// from 2020 to 2099.
struct Ca {
    test: &'static str,
    scratch: Scratch,
    directory: PathBuf,
}

/// Of what `openssl ca` issues.
const VALID: &str = "-startdate 20200101000000Z -enddate 20991231235959Z";

impl Ca {
    /// `None` where there is no `openssl`.
    fn new(test: &'static str) -> Option<Self> {
        let scratch = scratch(test);
        let directory = scratch.directory("ca");
        let ca = Self { test, scratch, directory };
        let home = ca.directory.display();
        ca.write("index.txt", "");
        ca.write("serial", "1001\n");
        ca.write("crlnumber", "1000\n");
        let config = format!(
            "[ca]\ndefault_ca=it\n[it]\ndatabase={home}/index.txt\nserial={home}/serial\n\
             crlnumber={home}/crlnumber\nnew_certs_dir={home}\ndefault_md=sha256\npolicy=any\n\
             unique_subject=no\ncertificate={home}/ca.pem\nprivate_key={home}/ca.key\n\
             crl_extensions=crl\n[any]\ncommonName=supplied\n[crl]\n\
             authorityKeyIdentifier=keyid:always\n[req]\ndistinguished_name=dn\n[dn]\n[root]\n\
             basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n\
             keyUsage=critical,keyCertSign,cRLSign\n[client]\nextendedKeyUsage=clientAuth\n\
             [responder]\nextendedKeyUsage=OCSPSigning\n"
        );
        ca.write("ca.cnf", &config);
        ca.key_and_request("ca", "CA")?;
        ca.run(&format!("ca -batch -selfsign -extensions root {VALID} -in ca.csr -out ca.pem"))?;
        for name in ["good", "revoked"] {
            ca.key_and_request(name, "orders")?;
            ca.issue(name, "client", VALID)?;
        }
        ca.run("ca -revoke revoked.pem -crl_reason keyCompromise")?;
        Some(ca)
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.directory.join(name), content).unwrap();
    }

    /// Runs `openssl`; words with a dot are files of this directory.
    fn run(&self, command: &str) -> Option<()> {
        let words = command.split_whitespace().map(|word| match word.contains('.') {
            true => self.path(word),
            false => word.to_owned(),
        });
        let mut arguments: Vec<String> = words.collect();
        if ["ca", "req"].contains(&arguments[0].as_str()) {
            arguments.extend(["-config".to_owned(), self.path("ca.cnf")]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (success, text) = openssl_status(self.test, &arguments)?;
        assert!(success, "{command}: {text}");
        Some(())
    }

    fn key_and_request(&self, name: &str, common_name: &str) -> Option<()> {
        self.run(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={common_name} \
             -keyout {name}.key -out {name}.csr"
        ))
    }

    fn issue(&self, name: &str, purpose: &str, validity: &str) -> Option<()> {
        self.run(&format!(
            "ca -batch -notext -extensions {purpose} {validity} -in {name}.csr -out {name}.pem"
        ))
    }

    /// A list of who is revoked now, as PEM.
    fn list(&self, this_update: &str, next_update: &str) -> Option<Vec<u8>> {
        self.run(&format!(
            "ca -gencrl -crl_lastupdate {this_update} -crl_nextupdate {next_update} -out list.crl"
        ))?;
        Some(fs::read(self.path("list.crl")).unwrap())
    }

    fn certificate(&self, name: &str) -> Vec<u8> {
        let text = fs::read(self.path(name)).unwrap();
        pem::parse_many(text).unwrap().pop().unwrap().into_contents()
    }

    /// The authorizer of `[revocation]` with these lines.
    async fn authorizer(&self, revocation: &str) -> Authorizer {
        let document = format!(
            "[certificate]\nclock_skew = \"5m\"\n[trust]\nanchors = [\"ca/ca.pem\"]\n\
             [revocation]\n{revocation}\n\
             [[client]]\nid = \"orders\"\nsubject = {{ CN = \"orders\" }}\nallow = [\"*\"]\n"
        );
        let path = self.scratch.write("authorizer.toml", document);
        Surroundings::default().authorizer(Some(&path)).await
    }

    async fn ask(&self, authorizer: &Authorizer, name: &str, at: Timestamp) -> Value {
        ask(authorizer, &self.certificate(name), at).await
    }

    /// A responder that signs with this certificate and key.
    fn responder(&self, signer: &str, more: &[&str]) -> Option<Responder> {
        let [index, ca] = ["index.txt", "ca.pem"].map(|name| self.path(name));
        let [signer, key] = ["pem", "key"].map(|it| self.path(&format!("{signer}.{it}")));
        let arguments =
            ["-index", &index, "-CA", &ca, "-rsigner", &signer, "-rkey", &key, "-nmin", "5"];
        let log = self.directory.join("responder.log");
        Responder::start(self.test, &[&arguments, more].concat(), log)
    }

    /// What the clock of a responder of the authority's own key says, for which OpenSSL asks it.
    fn clock_of(&self, responder: &Responder) -> Option<Timestamp> {
        self.run(&format!(
            "ocsp -issuer ca.pem -cert good.pem -no_nonce -noverify -reqout request.der \
             -respout response.der -host localhost:{}",
            responder.port
        ))?;
        let response = fs::read(self.path("response.der")).unwrap();
        let [issuer, good] =
            ["ca.pem", "good.pem"].map(|name| Certificate::parse(&self.certificate(name)).unwrap());
        let question = Question::new(&good, &issuer);
        // With `-nmin 5`, five minutes after the answer was made.
        match Answer::verify(&response, question, Strength::default()) {
            Ok(answer) => answer.next_update().map(|time| time.plus(-300)),
            Err(why) => panic!("{why}"),
        }
    }
}

fn asking(responder: &Responder, path: &str) -> String {
    format!("check = [\"ocsp\"]\nocsp_responder = \"http://127.0.0.1:{}{path}\"", responder.port)
}

#[tokio::test]
async fn openssls_responder_knows_who_is_good_and_who_is_revoked_by_get_and_by_post() {
    let Some(ca) = Ca::new("openssls_responder_knows") else { return };
    // Of the same authority, which keeps no record of it.
    ca.key_and_request("stranger", "orders").unwrap();
    ca.run("x509 -req -CA ca.pem -CAkey ca.key -in stranger.csr -out stranger.pem -set_serial 7")
        .unwrap();
    let responder = ca.responder("ca", &[]).unwrap();
    let now = ca.clock_of(&responder).unwrap();
    // At its root it takes both; below it, GET goes wrong and POST is tried; with a query there is no GET.
    let long = format!("/{}", "a".repeat(255));
    for (path, methods) in [
        ("/", &["GET"][..]),
        ("/deep", &["GET", "POST"]),
        ("/?query", &["POST"]),
        (&long, &["POST"]),
    ] {
        for (name, reason) in [
            ("good.pem", None),
            ("revoked.pem", Some("revoked")),
            ("stranger.pem", Some("revocation-unknown")),
        ] {
            let asked = responder.methods().len();
            let authorizer = ca.authorizer(&asking(&responder, path)).await;
            let line = ca.ask(&authorizer, name, now).await;
            match reason {
                None => assert_allowed(&line),
                Some(reason) => assert_denied(&line, reason),
            }
            // What can't be used is asked for the other way as well.
            let all: &[&str] =
                if name == "stranger.pem" && path == "/" { &["GET", "POST"] } else { methods };
            assert_eq!(responder.methods()[asked..], *all, "{path} {name}");
            match name {
                "revoked.pem" => {
                    assert_eq!(line["revocation_reason"], "keyCompromise", "{line}");
                    assert_eq!(line["signer"], "CN=CA", "{line}");
                    assert!(line["revoked_at"].is_string(), "{line}");
                }
                "stranger.pem" => {
                    assert_tells(&line, "ocsp", "the responder does not know the certificate");
                }
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn openssls_responder_counts_only_with_the_authoritys_leave() {
    let Some(ca) = Ca::new("openssls_responder_counts") else { return };
    for name in ["delegate", "unfit", "expired"] {
        ca.key_and_request(name, name).unwrap();
    }
    ca.issue("delegate", "responder", VALID).unwrap();
    ca.issue("unfit", "client", VALID).unwrap();
    let past = "-startdate 20200101000000Z -enddate 20200102000000Z";
    ca.issue("expired", "responder", past).unwrap();
    let Some(other) = Ca::new("openssls_responder_counts_other") else { return };
    other.key_and_request("foreign", "foreign").unwrap();
    other.issue("foreign", "responder", VALID).unwrap();
    for (from, to) in [("foreign", "foreign"), ("ca", "impostor")] {
        for kind in ["pem", "key"] {
            let (from, to) = (format!("{from}.{kind}"), format!("{to}.{kind}"));
            fs::copy(other.path(&from), ca.path(&to)).unwrap();
        }
    }
    let now = ca.clock_of(&ca.responder("ca", &[]).unwrap()).unwrap();

    for (signer, more, why) in [
        ("delegate", &[][..], None),
        ("delegate", &["-resp_key_id"], None),
        ("ca", &["-resp_no_certs"], None),
        // Nobody can know the delegate that does not come along.
        ("delegate", &["-resp_no_certs"], Some("none of its certificates is the signer's")),
        ("unfit", &[], Some("not for signing answers (OCSPSigning)")),
        ("expired", &[], Some("the certificate of the answer's signer is not in force")),
        ("foreign", &[], Some("does not verify")),
        ("impostor", &[], Some("not for signing answers (OCSPSigning)")),
        ("impostor", &["-resp_no_certs"], Some("the answer's signature was refused")),
        ("impostor", &["-resp_key_id"], Some("not for signing answers (OCSPSigning)")),
        ("ca", &["-badsig"], Some("the answer's signature was refused")),
    ] {
        let responder = ca.responder(signer, more).unwrap();
        let lines = asking(&responder, "/");
        for (name, reason) in [("good.pem", None), ("revoked.pem", Some("revoked"))] {
            let authorizer = ca.authorizer(&lines).await;
            let line = ca.ask(&authorizer, name, now).await;
            match (why, reason) {
                (None, None) => assert_allowed(&line),
                (None, Some(reason)) => assert_denied(&line, reason),
                (Some(why), _) => {
                    assert_denied(&line, "revocation-unknown");
                    assert_tells(&line, "ocsp", why);
                }
            }
        }
        if why.is_some() {
            let dangerous = format!("{lines}\non_unknown = \"dangerously-allow\"");
            let authorizer = ca.authorizer(&dangerous).await;
            assert_dangerously_allowed(&ca.ask(&authorizer, "good.pem", now).await);
        }
    }
}

#[tokio::test]
async fn answers_of_openssls_responder_serve_until_they_expire_once_it_is_gone() {
    let Some(ca) = Ca::new("openssls_responder_gone") else { return };
    let mut responder = ca.responder("ca", &[]).unwrap();
    let now = ca.clock_of(&responder).unwrap();
    let lines = asking(&responder, "/");
    let authorizer = ca.authorizer(&lines).await;
    assert_allowed(&ca.ask(&authorizer, "good.pem", now).await);
    assert_denied(&ca.ask(&authorizer, "revoked.pem", now).await, "revoked");
    responder.end();
    // What was answered is in date, and nothing else is known.
    assert_allowed(&ca.ask(&authorizer, "good.pem", now.plus(299)).await);
    assert_denied(&ca.ask(&authorizer, "revoked.pem", now.plus(299)).await, "revoked");
    for name in ["good.pem", "revoked.pem"] {
        for (authorizer, at) in [(&authorizer, now.plus(900)), (&ca.authorizer(&lines).await, now)]
        {
            let line = ca.ask(authorizer, name, at).await;
            assert_denied(&line, "revocation-unknown");
            assert_tells(&line, "ocsp", "no connection");
        }
        let dangerous = format!("{lines}\non_unknown = \"dangerously-allow\"");
        let authorizer = ca.authorizer(&dangerous).await;
        assert_dangerously_allowed(&ca.ask(&authorizer, name, now).await);
    }
}

#[test]
fn the_built_function_asks_openssls_responder() {
    let Some(ca) = Ca::new("openssls_responder_built") else { return };
    let mut responder = ca.responder("ca", &[]).unwrap();
    let document = |more: &str| {
        // Both read the same clock, so that there is no skew to tolerate.
        format!(
            "[trust]\nanchors = [\"{}\"]\n[revocation]\n{}\n{more}\n\
             [[client]]\nid = \"orders\"\nsubject = {{ CN = \"orders\" }}\nallow = [\"*\"]\n",
            ca.path("ca.pem"),
            asking(&responder, "/")
        )
    };
    let (strict, dangerous) = (document(""), document("on_unknown = \"dangerously-allow\""));
    let call = |function: &mut Function, name: &str| {
        let event = event_of(&ca.certificate(name));
        let call = function.call(event.to_string());
        let effect = call.answer()["policyDocument"]["Statement"][0]["Effect"].clone();
        let line = function.decision(&call);
        assert_eq!(effect, line["decision"]);
        line
    };
    let start = |document: &str| Function::start(&function::launch_inline(document));
    let mut function = start(&strict);
    assert_allowed(&call(&mut function, "good.pem"));
    assert_denied(&call(&mut function, "revoked.pem"), "revoked");
    responder.end();
    assert_denied(&call(&mut start(&strict), "good.pem"), "revocation-unknown");

    let mut function = start(&dangerous);
    assert_dangerously_allowed(&call(&mut function, "good.pem"));
    let log = function.end();
    let warned = log.iter().filter(|line| line.text.contains("gets revoked certificates in"));
    assert_eq!(warned.count(), 1, "{log:?}");
}

/// Times as `openssl ca` takes them, around the tests' instant of 2026-11-21T08:00:00Z.
const HOUR_AGO: &str = "20261121070000Z";
const SECOND_AGO: &str = "20261121075959Z";
const IN_AN_HOUR: &str = "20261121090000Z";

#[tokio::test]
async fn lists_of_openssls_authority_admit_and_revoke_from_files_and_over_http() {
    let Some(ca) = Ca::new("openssls_lists") else { return };
    let Some(other) = Ca::new("openssls_lists_other") else { return };
    let sound = ca.list(HOUR_AGO, IN_AN_HOUR).unwrap();
    ca.run("crl -in list.crl -outform DER -out list.der").unwrap();
    let der = fs::read(ca.path("list.der")).unwrap();
    let expired = ca.list(HOUR_AGO, SECOND_AGO).unwrap();
    let forged = other.list(HOUR_AGO, IN_AN_HOUR).unwrap();
    let mut broken = der.clone();
    *broken.last_mut().unwrap() ^= 1;

    let peer = Peer::answering(ok(b"")).await;
    for (list, why) in [
        (&sound, None),
        (&der, None),
        (&expired, Some("the list has expired")),
        (&forged, Some("signature")),
        (&broken, Some("signature")),
    ] {
        fs::write(ca.path("clients.crl"), list).unwrap();
        peer.serve(ok(list));
        for source in ["ca/clients.crl".to_owned(), peer.url("/clients.crl")] {
            let lines = format!("check = [\"crl\"]\ncrls = [\"{source}\"]");
            let authorizer = ca.authorizer(&lines).await;
            let good = ca.ask(&authorizer, "good.pem", now()).await;
            let revoked = ca.ask(&authorizer, "revoked.pem", now()).await;
            let Some(why) = why else {
                assert_allowed(&good);
                assert_denied(&revoked, "revoked");
                assert_eq!(revoked["revocation_reason"], "keyCompromise", "{revoked}");
                assert_tells(&revoked, "source", "clients.crl");
                // At `nextUpdate` it still serves, and after it no longer.
                let last = now().plus(3600);
                assert_allowed(&ca.ask(&authorizer, "good.pem", last).await);
                let line = ca.ask(&authorizer, "good.pem", last.plus(1)).await;
                assert_denied(&line, "revocation-unknown");
                continue;
            };
            for line in [good, revoked] {
                assert_denied(&line, "revocation-unknown");
                assert_tells(&line, "crl", why);
            }
            let dangerous = format!("{lines}\non_unknown = \"dangerously-allow\"");
            let authorizer = ca.authorizer(&dangerous).await;
            assert_dangerously_allowed(&ca.ask(&authorizer, "good.pem", now()).await);
        }
    }
}

#[tokio::test]
async fn who_is_revoked_later_is_denied_once_openssls_next_list_is_fetched() {
    let Some(ca) = Ca::new("openssls_next_list") else { return };
    let first = ca.list(HOUR_AGO, IN_AN_HOUR).unwrap();
    ca.run("ca -revoke good.pem -crl_reason superseded").unwrap();
    let second = ca.list(SECOND_AGO, IN_AN_HOUR).unwrap();
    let peer = Peer::answering(ok(&first)).await;
    let source = peer.url("/clients.crl");
    let lines = format!("check = [\"crl\"]\ncrls = [\"{source}\"]\nrefresh = \"1m\"");
    let authorizer = ca.authorizer(&lines).await;
    assert_allowed(&ca.ask(&authorizer, "good.pem", now()).await);
    peer.serve(ok(&second));
    let line = ca.ask(&authorizer, "good.pem", now().plus(60)).await;
    assert_denied(&line, "revoked");
    assert_eq!(line["revocation_reason"], "superseded", "{line}");
    // The older list is offered again, and then nothing.
    for (answer, at) in [(ok(&first), 120), (status("503 Away"), 180)] {
        peer.serve(answer);
        assert_denied(&ca.ask(&authorizer, "good.pem", now().plus(at)).await, "revoked");
    }
}
