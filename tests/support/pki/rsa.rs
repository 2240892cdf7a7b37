//! RSA signatures of RFC 8017, with the two keys at the end of this file.
//!
//! `ring` makes no RSA keys, signs with none under 2048 bits and with no SHA-1, and tests need certificates
//! that did all of it. Nothing here is constant-time: the keys come from their names and are no secret.

use super::der::*;

/// A modulus and a private exponent, as limbs with the least significant first. The public exponent is 65537.
pub struct RsaKey {
    modulus: Vec<u64>,
    exponent: Vec<u64>,
}

impl RsaKey {
    pub fn of_1024_bits() -> Self {
        Self { modulus: limbs(&hex(MODULUS_1024)), exponent: limbs(&hex(EXPONENT_1024)) }
    }

    pub fn of_2048_bits() -> Self {
        Self { modulus: limbs(&hex(MODULUS_2048)), exponent: limbs(&hex(EXPONENT_2048)) }
    }

    /// The RSAPublicKey.
    pub fn public_key(&self) -> Der {
        sequence(&[unsigned(&octets(&self.modulus)), number(65537)])
    }

    /// RSASSA-PKCS1-v1_5 of a DigestInfo.
    pub fn sign_pkcs1(&self, digest_info: &[u8]) -> Vec<u8> {
        let padding = vec![0xff; self.modulus.len() * 8 - 3 - digest_info.len()];
        self.power(&[&[0x00, 0x01], padding.as_slice(), &[0x00], digest_info].concat())
    }

    /// RSASSA-PSS with a salt as long as the hash, all of octets 0x5a.
    pub fn sign_pss(&self, message: &[u8], hash: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let digest = hash(message);
        let salt = vec![0x5a; digest.len()];
        let length = self.modulus.len() * 8;
        let tag = hash(&[&[0; 8], digest.as_slice(), &salt].concat());
        let mut block = vec![0; length - tag.len() - salt.len() - 2];
        block.push(0x01);
        block.extend_from_slice(&salt);
        let mask = (0_u32..).flat_map(|n| hash(&[tag.as_slice(), &n.to_be_bytes()].concat()));
        block.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
        block[0] &= 0x7f;
        self.power(&[block.as_slice(), &tag, &[0xbc]].concat())
    }

    /// `message ^ exponent mod modulus`, in Montgomery form (Handbook of Applied Cryptography, 14.3.2).
    fn power(&self, message: &[u8]) -> Vec<u8> {
        let one = {
            let mut one = vec![0; self.modulus.len()];
            one[0] = 1;
            one
        };
        // R² mod n, by doubling 1 as often as R² has bits.
        let mut square = one.clone();
        for _ in 0..2 * 64 * self.modulus.len() {
            square = self.double(&square);
        }
        let base = self.multiply(&limbs(message), &square);
        let mut power = self.multiply(&one, &square);
        for limb in self.exponent.iter().rev() {
            for bit in (0..64).rev() {
                power = self.multiply(&power, &power);
                if limb >> bit & 1 == 1 {
                    power = self.multiply(&power, &base);
                }
            }
        }
        octets(&self.multiply(&power, &one))
    }

    /// `2 · a mod n`.
    fn double(&self, a: &[u64]) -> Vec<u64> {
        let carry = a[a.len() - 1] >> 63;
        let mut doubled: Vec<u64> = a.to_vec();
        for index in (0..a.len()).rev() {
            doubled[index] = a[index] << 1 | if index == 0 { 0 } else { a[index - 1] >> 63 };
        }
        self.reduced(doubled, carry)
    }

    /// `a · b / R mod n`.
    fn multiply(&self, a: &[u64], b: &[u64]) -> Vec<u64> {
        let modulus = &self.modulus;
        // -1 / n mod 2^64, by Newton's iteration.
        let inverse = (0..6).fold(1_u64, |inverse, _| {
            inverse.wrapping_mul(2_u64.wrapping_sub(modulus[0].wrapping_mul(inverse)))
        });
        let inverse = inverse.wrapping_neg();
        let count = modulus.len();
        let mut sum = vec![0_u64; count + 2];
        for &limb in a {
            add_product(&mut sum, limb, b);
            let factor = sum[0].wrapping_mul(inverse);
            add_product(&mut sum, factor, modulus);
            sum.remove(0);
            sum.push(0);
        }
        let carry = sum[count];
        sum.truncate(count);
        self.reduced(sum, carry)
    }

    /// `value` with a carry above it, less the modulus if that leaves no negative number.
    fn reduced(&self, value: Vec<u64>, carry: u64) -> Vec<u64> {
        let mut borrow = false;
        let less: Vec<u64> = value
            .iter()
            .zip(&self.modulus)
            .map(|(&value, &modulus)| {
                let (first, under) = value.overflowing_sub(modulus);
                let (second, under_again) = first.overflowing_sub(u64::from(borrow));
                borrow = under || under_again;
                second
            })
            .collect();
        if borrow && carry == 0 { value } else { less }
    }
}

/// `sum += factor · limbs`.
fn add_product(sum: &mut [u64], factor: u64, limbs: &[u64]) {
    let mut carry = 0_u128;
    for (index, place) in sum.iter_mut().enumerate() {
        let product = u128::from(factor) * u128::from(limbs.get(index).copied().unwrap_or(0));
        let total = product + u128::from(*place) + carry;
        *place = total as u64;
        carry = total >> 64;
    }
}

fn limbs(octets: &[u8]) -> Vec<u64> {
    octets
        .rchunks(8)
        .map(|chunk| chunk.iter().fold(0, |limb, &octet| limb << 8 | u64::from(octet)))
        .collect()
}

fn octets(limbs: &[u64]) -> Vec<u8> {
    limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect()
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

const MODULUS_1024: &str = "\
    cf1c0783e8bdf46b878dd53b7d8c68b9b983aa5b3ece1e967779befba2d8594fe317a0bc1947bc08\
    5712a40796ed3d99aaa17bd96b6dcd2310e25950dd0192aace3b5411ae55380251c61083246ae41b\
    7e5d460d78175b79962195baf596429ad2aeebdf7ad2c165dc494674d516fa6366b7dbeda1f9be4c\
    aa0ee81c65406b55\
";

const EXPONENT_1024: &str = "\
    b72bc911c7044969d8c77e3151469f50b35c598cbdad3aac451aade88c0be061a12d428159b27200\
    c651bc34e22d0c701dd31860207d4a129b5a3538295ebcc130a188ac959fbc7e98de71b7afe9e370\
    4aeed2037f30dac062f4e0217422cb18f3863ce0f83e67b4cb9acf4ea80671a304ec9cb8970a80fc\
    3fc5471b820c35c1\
";

const MODULUS_2048: &str = "\
    b09eb2e993cc0b6457012f11eead9ec1011fa65180b363eb74c2a7a43edefc25ee2620295b94cbc2\
    7a96598645108f0822bd238dea2207927218263af33a8a1a24b2cfd68348427688bb30d046e0790e\
    c60dd5e4101cee43841dcdd1051df72599549199eb55962c1debb22ca7e92b05422a2dc64793e365\
    e9ff4c9241f5e8a6d387af9d3e31048e88b7aa5025309df4fa232ae433a17e2e947df00af1132079\
    08bfb14f8da972a754aa8c608563bc0efaceb8230563f5657596c5c5f4c235271fb970b9dee40fbe\
    a7b7d703c1cebf10590a9423bcb14c3bc422d4b4560b24206b26ce7df82674fb42b0e108b96be6d5\
    d1a630a1482dc615b534dd15bd139c9d\
";

const EXPONENT_2048: &str = "\
    3bc37786d21c193ebab20bdb65881a4ff4b160f5f336c078cbe9921061b5d25c83592348db545e1e\
    509ccf6e3fb07ab5a60b9a1c4b3d78927548f6a6bbe6f3142596dbfd1a2f394e22b634ae454d6fa9\
    301b3e650d8ebc90dc03b9c1209a2326f5db47e96d58689845079c22c02e860021836439d3be9713\
    c53a3e0ebf831655ccccbf3592969f730d003285ed4e680cb2cd68fb3ba1e73d6cacc809a29958a4\
    a3780525081950bcf336a57cb8c38538f7b28dccd6ca877f245e5ded3c102d6b75ace84be2ed01e4\
    84af46e5987c5e520b1bcfddd837d12402df9842b80303d7569419ad8e915651ce0d2cca08ea2607\
    bd6538f0968aa4decfcbdad39b10a001\
";
