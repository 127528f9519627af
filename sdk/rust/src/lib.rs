//! hardpoint-sdk
