//! The ARN of a call (`methodArn`, `routeArn`): what a policy is matched against, and so the only source of
//! the route.
//!
//! `arn:{partition}:execute-api:{region}:{account}:{api}/{stage}/{METHOD}/{path}`; see "Control access to a
//! REST API with IAM" in the API Gateway developer guide. `path` and `rawPath` of an event may carry a base
//! path or the stage and are not used.

use super::EventFault;

/// The ARN of one call, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvokeArn {
    text: String,
    stage_end: usize,
    method_end: usize,
}

impl InvokeArn {
    /// Reads an ARN of a call.
    ///
    /// # Errors
    /// Another service, a part that is missing, or a character before the path that no such ARN holds: the
    /// front part is copied into policies, where `*`, `?` and `${` would mean something. A method with a letter in
    /// lower case is none: a backend may take it for the one that a policy denies.
    pub fn parse(text: &str) -> Result<Self, EventFault> {
        let fault = |rule: &str| EventFault::new(format!("the ARN of the call {rule}"));
        let mut parts = text.splitn(6, ':');
        let mut part = || parts.next().unwrap_or_default();
        let (arn, partition, service) = (part(), part(), part());
        if arn != "arn" || !partition.starts_with("aws") || service != "execute-api" {
            return Err(fault("does not begin with `arn:aws...:execute-api:`"));
        }
        let (region, account, resource) = (part(), part(), part());
        let mut segments = resource.splitn(4, '/');
        let mut segment = || segments.next();
        let (Some(api), Some(stage), Some(method), Some(path)) =
            (segment(), segment(), segment(), segment())
        else {
            return Err(fault("does not end in `{api}/{stage}/{METHOD}/{path}`"));
        };
        let plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.$".contains(&byte))
        };
        if ![partition, region, account, api, stage].into_iter().all(plain) {
            return Err(fault("has an empty part, or a character that does not belong there"));
        }
        let of_method = |byte: u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_');
        if method.is_empty() || !method.bytes().all(of_method) {
            return Err(fault("has no method in upper case"));
        }
        let method_end = text.len() - path.len() - 1;
        Ok(Self { text: text.to_owned(), stage_end: method_end - method.len() - 1, method_end })
    }

    /// The API and stage, without a slash at the end: what the resources of a policy begin with.
    #[must_use]
    pub fn stage(&self) -> &str {
        self.text.get(..self.stage_end).unwrap_or_default()
    }

    /// The method, in upper case; it may be one that nobody has heard of, such as `M-SEARCH`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.text.get(self.stage_end + 1..self.method_end).unwrap_or_default()
    }

    /// The path after the stage, with its slash; `/` for the root. Exact text, nothing decoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(self.method_end..).unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_route_is_what_follows_the_stage() {
        let arn = InvokeArn::parse(
            "arn:aws-cn:execute-api:cn-north-1:123456789012:a1b2c3/$default/GET/orders/a:b//c",
        )
        .unwrap();
        assert_eq!(arn.stage(), "arn:aws-cn:execute-api:cn-north-1:123456789012:a1b2c3/$default");
        assert_eq!((arn.method(), arn.path()), ("GET", "/orders/a:b//c"));
    }

    #[test]
    fn the_root_path_is_a_slash() {
        let arn = "arn:aws-us-gov:execute-api:us-gov-west-1:1:a/test-invoke-stage/DELETE/";
        let arn = InvokeArn::parse(arn).unwrap();
        assert_eq!((arn.method(), arn.path()), ("DELETE", "/"));
    }

    #[test]
    fn a_method_may_be_one_that_nobody_has_heard_of() {
        for method in ["GET", "M-SEARCH", "PROPFIND", "X_1"] {
            let arn = format!("arn:aws:execute-api:eu-west-1:1:a/prod/{method}/orders");
            assert_eq!(InvokeArn::parse(&arn).unwrap().method(), method);
        }
    }

    #[test]
    fn a_method_that_a_backend_could_take_for_another_is_refused() {
        for method in ["", "*", "G?T", "${aws:x}", "get", "Get", "GET ", "G%45T"] {
            let arn = format!("arn:aws:execute-api:eu-west-1:1:a/prod/{method}/orders");
            assert!(InvokeArn::parse(&arn).is_err(), "{arn}");
        }
    }

    #[test]
    fn an_arn_that_could_widen_a_policy_is_refused() {
        for arn in [
            "arn:aws:execute-api:eu-west-1:1:*/prod/GET/orders",
            "arn:aws:execute-api:eu-west-1:1:a/pro?/GET/orders",
            "arn:aws:execute-api:eu-west-1:1:a/${aws:x}/GET/orders",
            "arn:aws:execute-api:eu-west-1:1:a/prod/GET",
            "arn:aws:execute-api:eu-west-1:1:a/prod",
            "arn:aws:execute-api:eu-west-1:1:a//GET/orders",
            "arn:aws:lambda:eu-west-1:1:a/prod/GET/orders",
            "arn:evil:execute-api:eu-west-1:1:a/prod/GET/orders",
            "",
        ] {
            assert!(InvokeArn::parse(arn).is_err(), "{arn}");
        }
    }
}
