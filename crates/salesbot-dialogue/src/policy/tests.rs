//! Tests of the decision live with the content in `salesbot-engine`; here are those of pure resolution.
