// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

interface Token {
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// What identifies a channel. Callers hand it in with each call; only its hash is kept.
struct Descriptor {
    address payer;
    address payee;
    address operator;
    address token;
    bytes32 salt;
    address authorizedSigner;
    bytes32 expiringNonceHash;
}

/// One word of storage. A channel exists while its deposit is not zero.
struct State {
    uint96 settled;
    uint96 deposit;
    uint32 closeRequestedAt;
}

struct Channel {
    Descriptor descriptor;
    State state;
}

/// Stands in for the channel reserve that Tempo has from T5 on (TIP-1034), at its own address, on a local chain of T4.
/// Two things that no contract can do come from the proxy in front of the chain, by writing to storage: the hash of the
/// transaction that opens a channel, and the allowance by which the deposit is pulled.
contract ChannelReserve {
    uint64 public constant CLOSE_GRACE_PERIOD = 15 minutes;
    bytes32 public constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channelId,uint96 cumulativeAmount)");

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    address private constant SIGNATURE_VERIFIER = 0x5165300000000000000000000000000000000000;
    bytes12 private constant TOKEN_PREFIX = 0x20c000000000000000000000;

    /// Slot 0.
    mapping(bytes32 channelId => State) private channels;
    /// Slot 1: the hash of the transaction that a payer is about to send. Each serves one transaction.
    mapping(address payer => bytes32) private announced;

    event ChannelOpened(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        address operator,
        address token,
        address authorizedSigner,
        bytes32 salt,
        bytes32 expiringNonceHash,
        uint96 deposit
    );
    event TopUp(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint96 additionalDeposit,
        uint96 newDeposit
    );
    event Settled(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint96 cumulativeAmount,
        uint96 deltaPaid,
        uint96 newSettled
    );
    event CloseRequested(
        bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 closeGraceEnd
    );
    event CloseRequestCancelled(bytes32 indexed channelId, address indexed payer, address indexed payee);
    event ChannelClosed(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint96 settledToPayee,
        uint96 refundedToPayer
    );

    error ChannelAlreadyExists();
    error ChannelNotFound();
    error NotPayer();
    error NotPayeeOrOperator();
    error InvalidPayee();
    error InvalidToken();
    error ZeroDeposit();
    error ExpiringNonceHashNotSet();
    error InvalidSignature();
    error AmountExceedsDeposit();
    error AmountNotIncreasing();
    error CaptureAmountInvalid();
    error CloseNotReady();
    error DepositOverflow();
    error TransferFailed();

    function open(
        address payee,
        address operator,
        address token,
        uint96 deposit,
        bytes32 salt,
        address authorizedSigner
    ) external returns (bytes32 channelId) {
        require(payee != address(0) && !isToken(payee), InvalidPayee());
        require(isToken(token), InvalidToken());
        require(deposit != 0, ZeroDeposit());
        Descriptor memory descriptor =
            Descriptor(msg.sender, payee, operator, token, salt, authorizedSigner, transactionHash());
        channelId = idOf(descriptor);
        require(channels[channelId].deposit == 0 && !wasOpened(channelId), ChannelAlreadyExists());

        rememberOpened(channelId);
        channels[channelId] = State(0, deposit, 0);
        pull(token, deposit);
        emit ChannelOpened(
            channelId,
            msg.sender,
            payee,
            operator,
            token,
            authorizedSigner,
            salt,
            descriptor.expiringNonceHash,
            deposit
        );
    }

    function topUp(Descriptor calldata descriptor, uint96 additionalDeposit) external {
        (bytes32 channelId, State memory state) = ofPayer(descriptor);
        bool wasClosing = state.closeRequestedAt != 0;
        if (additionalDeposit == 0 && !wasClosing) return;
        require(additionalDeposit <= type(uint96).max - state.deposit, DepositOverflow());

        state.deposit += additionalDeposit;
        state.closeRequestedAt = 0;
        channels[channelId] = state;
        if (additionalDeposit != 0) pull(descriptor.token, additionalDeposit);
        if (wasClosing) emit CloseRequestCancelled(channelId, descriptor.payer, descriptor.payee);
        emit TopUp(channelId, descriptor.payer, descriptor.payee, additionalDeposit, state.deposit);
    }

    function settle(Descriptor calldata descriptor, uint96 cumulativeAmount, bytes calldata signature) external {
        (bytes32 channelId, State memory state) = ofPayee(descriptor);
        require(cumulativeAmount <= state.deposit, AmountExceedsDeposit());
        require(cumulativeAmount > state.settled, AmountNotIncreasing());
        requireVoucher(descriptor, channelId, cumulativeAmount, signature);

        uint96 paid = cumulativeAmount - state.settled;
        state.settled = cumulativeAmount;
        channels[channelId] = state;
        pay(descriptor.token, descriptor.payee, paid);
        emit Settled(channelId, descriptor.payer, descriptor.payee, cumulativeAmount, paid, cumulativeAmount);
    }

    function close(
        Descriptor calldata descriptor,
        uint96 cumulativeAmount,
        uint96 captureAmount,
        bytes calldata signature
    ) external {
        (bytes32 channelId, State memory state) = ofPayee(descriptor);
        require(captureAmount >= state.settled && captureAmount <= cumulativeAmount, CaptureAmountInvalid());
        require(captureAmount <= state.deposit, AmountExceedsDeposit());
        if (captureAmount > state.settled) requireVoucher(descriptor, channelId, cumulativeAmount, signature);

        delete channels[channelId];
        pay(descriptor.token, descriptor.payee, captureAmount - state.settled);
        pay(descriptor.token, descriptor.payer, state.deposit - captureAmount);
        emit ChannelClosed(
            channelId, descriptor.payer, descriptor.payee, captureAmount, state.deposit - captureAmount
        );
    }

    function requestClose(Descriptor calldata descriptor) external {
        (bytes32 channelId, State memory state) = ofPayer(descriptor);
        if (state.closeRequestedAt != 0) return;

        channels[channelId].closeRequestedAt = uint32(block.timestamp);
        emit CloseRequested(channelId, descriptor.payer, descriptor.payee, block.timestamp + CLOSE_GRACE_PERIOD);
    }

    function withdraw(Descriptor calldata descriptor) external {
        (bytes32 channelId, State memory state) = ofPayer(descriptor);
        bool isReady =
            state.closeRequestedAt != 0 && block.timestamp >= state.closeRequestedAt + CLOSE_GRACE_PERIOD;
        require(isReady, CloseNotReady());

        delete channels[channelId];
        uint96 refund = state.deposit - state.settled;
        pay(descriptor.token, descriptor.payer, refund);
        emit ChannelClosed(channelId, descriptor.payer, descriptor.payee, state.settled, refund);
    }

    function getChannel(Descriptor calldata descriptor) external view returns (Channel memory) {
        return Channel(descriptor, channels[idOf(descriptor)]);
    }

    function getChannelState(bytes32 channelId) external view returns (State memory) {
        return channels[channelId];
    }

    function getChannelStatesBatch(bytes32[] calldata channelIds) external view returns (State[] memory states) {
        states = new State[](channelIds.length);
        for (uint256 i = 0; i < channelIds.length; i++) states[i] = channels[channelIds[i]];
    }

    function computeChannelId(
        address payer,
        address payee,
        address operator,
        address token,
        bytes32 salt,
        address authorizedSigner,
        bytes32 expiringNonceHash
    ) external view returns (bytes32) {
        return idOf(Descriptor(payer, payee, operator, token, salt, authorizedSigner, expiringNonceHash));
    }

    function getVoucherDigest(bytes32 channelId, uint96 cumulativeAmount) public view returns (bytes32) {
        bytes32 voucher = keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, cumulativeAmount));
        return keccak256(abi.encodePacked("\x19\x01", domainSeparator(), voucher));
    }

    function domainSeparator() public view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPEHASH, keccak256("TIP20 Channel Reserve"), keccak256("1"), block.chainid, address(this)
            )
        );
    }

    function idOf(Descriptor memory descriptor) private view returns (bytes32) {
        return keccak256(abi.encode(descriptor, address(this), block.chainid));
    }

    function ofPayer(Descriptor calldata descriptor) private view returns (bytes32 channelId, State memory state) {
        (channelId, state) = existing(descriptor);
        require(msg.sender == descriptor.payer, NotPayer());
    }

    function ofPayee(Descriptor calldata descriptor) private view returns (bytes32 channelId, State memory state) {
        (channelId, state) = existing(descriptor);
        bool isOperator = descriptor.operator != address(0) && msg.sender == descriptor.operator;
        require(isOperator || msg.sender == descriptor.payee, NotPayeeOrOperator());
    }

    function existing(Descriptor calldata descriptor) private view returns (bytes32 channelId, State memory state) {
        channelId = idOf(descriptor);
        state = channels[channelId];
        require(state.deposit != 0, ChannelNotFound());
    }

    function requireVoucher(
        Descriptor calldata descriptor,
        bytes32 channelId,
        uint96 cumulativeAmount,
        bytes calldata signature
    ) private view {
        address signer = descriptor.authorizedSigner == address(0) ? descriptor.payer : descriptor.authorizedSigner;
        (bool ok, bytes memory answer) = SIGNATURE_VERIFIER.staticcall(
            abi.encodeWithSignature(
                "verify(address,bytes32,bytes)", signer, getVoucherDigest(channelId, cumulativeAmount), signature
            )
        );
        // It reverts, instead of saying no, when the signature is malformed.
        require(ok && answer.length == 32 && abi.decode(answer, (bool)), InvalidSignature());
    }

    function isToken(address account) private pure returns (bool) {
        return bytes12(bytes20(account)) == TOKEN_PREFIX;
    }

    function pull(address token, uint96 amount) private {
        require(Token(token).transferFrom(msg.sender, address(this), amount), TransferFailed());
    }

    function pay(address token, address to, uint96 amount) private {
        if (amount != 0) require(Token(token).transfer(to, amount), TransferFailed());
    }

    /// The hash of this transaction: the same for all that it opens, and never seen again after it.
    function transactionHash() private returns (bytes32 hash) {
        bytes32 slot = keccak256(abi.encode("hash", msg.sender));
        assembly {
            hash := tload(slot)
        }
        if (hash != 0) return hash;
        hash = announced[msg.sender];
        require(hash != 0, ExpiringNonceHashNotSet());
        delete announced[msg.sender];
        assembly {
            tstore(slot, hash)
        }
    }

    function wasOpened(bytes32 channelId) private view returns (bool opened) {
        bytes32 slot = keccak256(abi.encode("opened", channelId));
        assembly {
            opened := tload(slot)
        }
    }

    function rememberOpened(bytes32 channelId) private {
        bytes32 slot = keccak256(abi.encode("opened", channelId));
        assembly {
            tstore(slot, true)
        }
    }
}
