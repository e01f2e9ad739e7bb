#include "Avatar3DLiveLinkSource.h"

#include "Common/UdpSocketBuilder.h"
#include "HAL/PlatformTime.h"
#include "HAL/RunnableThread.h"
#include "ILiveLinkClient.h"
#include "Misc/FrameRate.h"
#include "Misc/QualifiedFrameTime.h"
#include "Roles/LiveLinkBasicRole.h"
#include "Roles/LiveLinkTransformRole.h"
#include "Roles/LiveLinkTransformTypes.h"
#include "SocketSubsystem.h"
#include "Sockets.h"

#include "Avatar3DCurves.h"
#include "Avatar3DLiveLinkNames.h"
#include "Avatar3DLog.h"
#include "Avatar3DTimecode.h"

#define LOCTEXT_NAMESPACE "Avatar3DLiveLinkSource"

namespace
{
	/** Datagrams that are read before streams are looked at again. */
	constexpr int32 MaxAtOnce = 256;
	constexpr double SilentAfter = 1.0;
	/** Seconds after which a stream that got no subject is looked at again. */
	constexpr double RetryAfter = 1.0;
}

FAvatar3DLiveLinkSource::FAvatar3DLiveLinkSource(const FIPv4Endpoint& InEndpoint)
	: Endpoint(InEndpoint)
{
	Socket = FUdpSocketBuilder(TEXT("Avatar3D"))
		.AsNonBlocking()
		.BoundToEndpoint(Endpoint)
		.WithReceiveBufferSize(256 * 1024)
		.Build();
	UE_CLOG(!Socket, LogAvatar3D, Error, TEXT("%s cannot be listened to; another program may have it"), *Endpoint.ToString());
}

FAvatar3DLiveLinkSource::~FAvatar3DLiveLinkSource()
{
	Stop();
	if (Thread)
	{
		Thread->WaitForCompletion();
		delete Thread;
	}
	if (Socket)
	{
		Socket->Close();
		ISocketSubsystem::Get(PLATFORM_SOCKETSUBSYSTEM)->DestroySocket(Socket);
	}
}

void FAvatar3DLiveLinkSource::ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid)
{
	Client = InClient;
	SourceGuid = InSourceGuid;
	if (Socket && !Thread)
	{
		Thread = FRunnableThread::Create(this, TEXT("Avatar3DLiveLinkSource"), 128 * 1024, TPri_AboveNormal);
	}
}

bool FAvatar3DLiveLinkSource::IsSourceStillValid() const
{
	return Socket && Thread && !bStopping;
}

bool FAvatar3DLiveLinkSource::RequestSourceShutdown()
{
	Stop();
	if (Thread)
	{
		// It looks at bStopping every few milliseconds.
		Thread->WaitForCompletion();
		delete Thread;
		Thread = nullptr;
	}
	return true;
}

FText FAvatar3DLiveLinkSource::GetSourceType() const
{
	return LOCTEXT("SourceType", "Avatar3D");
}

FText FAvatar3DLiveLinkSource::GetSourceMachineName() const
{
	return FText::FromString(Endpoint.ToString());
}

FText FAvatar3DLiveLinkSource::GetSourceStatus() const
{
	if (!Socket)
	{
		return LOCTEXT("NoSocket", "Port is taken");
	}
	const double Last = Arrived;
	if (Last == 0.0)
	{
		return LOCTEXT("Waiting", "Waiting");
	}
	return FPlatformTime::Seconds() - Last < SilentAfter ? LOCTEXT("Active", "Active") : LOCTEXT("Silent", "Not responding");
}

void FAvatar3DLiveLinkSource::Stop()
{
	bStopping = true;
}

uint32 FAvatar3DLiveLinkSource::Run()
{
	while (!bStopping)
	{
		if (Socket->Wait(ESocketWaitConditions::WaitForRead, FTimespan::FromMilliseconds(2)))
		{
			Receive();
		}
		Publish(FPlatformTime::Seconds());
	}
	return 0;
}

void FAvatar3DLiveLinkSource::Receive()
{
	// One byte more than a packet may have, so that longer ones are refused and not cut.
	uint8 Buffer[a3d::kMaxDatagram + 1];
	const TSharedRef<FInternetAddr> Sender = ISocketSubsystem::Get(PLATFORM_SOCKETSUBSYSTEM)->CreateInternetAddr();
	int32 Size = 0;
	for (int32 Taken = 0; Taken < MaxAtOnce && Socket->RecvFrom(Buffer, static_cast<int32>(sizeof(Buffer)), Size, *Sender) && Size > 0; ++Taken)
	{
		const double Now = FPlatformTime::Seconds();
		if (Receiver.accept(Buffer, static_cast<std::size_t>(Size), Now) == a3d::PacketStatus::kOk)
		{
			Arrived = Now;
		}
	}
}

void FAvatar3DLiveLinkSource::Publish(double Now)
{
	Receiver.forget_silent(Now);
	// All that go before all that come: a sender that was started again has the subject of the one before.
	for (std::size_t Place = 0; Place < a3d::StreamReceiver::kMaxStreams; ++Place)
	{
		FPublished& Known = Published[Place];
		const a3d::Stream* Stream = Receiver.at(Place);
		if (!Stream || (Known.Revision != 0 && Known.Revision != Stream->revision))
		{
			Remove(Known);
		}
	}
	for (std::size_t Place = 0; Place < a3d::StreamReceiver::kMaxStreams; ++Place)
	{
		FPublished& Known = Published[Place];
		a3d::Stream* Stream = Receiver.at(Place);
		if (!Stream || Now < Known.Next)
		{
			continue;
		}
		if (Known.Revision == 0 && !PushStaticData(*Stream, Known))
		{
			Known.Next = Now + RetryAfter;
			continue;
		}
		const double Step = 1.0 / Stream->introduction.fps();
		Known.Next = FMath::Max(Known.Next + Step, Now);
		Values.SetNumUninitialized(static_cast<int32>(Stream->buffer.width()));
		const a3d::Flow Flow = Stream->buffer.sample(Now, Values.GetData());
		// Live Link itself tells that a subject has gone stale.
		if (Flow == a3d::Flow::kPlaying || Flow == a3d::Flow::kHeld)
		{
			PushFrame(*Stream, Known);
		}
	}
}

FName FAvatar3DLiveLinkSource::NameOf(const FString& Text)
{
	// The engine keeps every name for ever, and anybody who reaches the port can send names.
	const FName Found(*Text, FNAME_Find);
	if (!Found.IsNone() || NamesLeft == 0)
	{
		return Found;
	}
	--NamesLeft;
	return FName(*Text);
}

bool FAvatar3DLiveLinkSource::PushStaticData(const a3d::Stream& Stream, FPublished& Known)
{
	const a3d::Introduction& Introduction = Stream.introduction;
	const FString Name(UTF8_TO_TCHAR(Introduction.subject));
	const FName Subject = NameOf(Name);
	const FName SubjectHead = NameOf(Name + TEXT("_Head"));
	bool bFree = !Subject.IsNone() && !SubjectHead.IsNone();
	for (const FPublished& Other : Published)
	{
		const bool bSame = Other.Subject == Subject || Other.Subject == SubjectHead || Other.Head == Subject || Other.Head == SubjectHead;
		bFree &= Other.Revision == 0 || !bSame;
	}

	FLiveLinkStaticDataStruct Face(FLiveLinkBaseStaticData::StaticStruct());
	TArray<FName>& Names = Face.Cast<FLiveLinkBaseStaticData>()->PropertyNames;
	Names.Reserve(static_cast<int32>(Introduction.width));
	for (std::size_t At = 0; At < Introduction.channel_count; ++At)
	{
		for (std::size_t Index = 0; Index < Introduction.channel[At].width; ++Index)
		{
			char Curve[Avatar3D::CurveNameSize];
			Avatar3D::StreamCurveName(Introduction.channel[At], Index, Curve);
			const FName CurveName = bFree ? NameOf(FString(UTF8_TO_TCHAR(Curve))) : FName();
			bFree &= !CurveName.IsNone();
			Names.Add(CurveName);
		}
	}
	if (!bFree)
	{
		UE_CLOG(!bToldOfNames, LogAvatar3D, Warning, TEXT("%s is passed over: its name is another subject's, or too many names came"), *Name);
		bToldOfNames = true;
		return false;
	}
	Known.Revision = Stream.revision;
	Known.Subject = Subject;
	Known.Head = SubjectHead;
	Known.Fingerprint = FString(UTF8_TO_TCHAR(Introduction.head));
	Known.Next = 0.0;
	Client->PushSubjectStaticData_AnyThread({SourceGuid, Known.Subject}, ULiveLinkBasicRole::StaticClass(), MoveTemp(Face));

	FLiveLinkStaticDataStruct Head(FLiveLinkTransformStaticData::StaticStruct());
	Head.Cast<FLiveLinkTransformStaticData>()->bIsScaleSupported = false;
	Client->PushSubjectStaticData_AnyThread({SourceGuid, Known.Head}, ULiveLinkTransformRole::StaticClass(), MoveTemp(Head));
	return true;
}

void FAvatar3DLiveLinkSource::PushFrame(const a3d::Stream& Stream, const FPublished& Known)
{
	const a3d::Introduction& Introduction = Stream.introduction;
	FQualifiedFrameTime SceneTime;
	if (Avatar3D::IsTimecode(Stream.buffer.time(), Introduction.fps_numerator, Introduction.fps_denominator))
	{
		const FFrameRate Rate(Introduction.fps_numerator, Introduction.fps_denominator);
		SceneTime = FQualifiedFrameTime(Rate.AsFrameTime(Stream.buffer.time()), Rate);
	}
	FLiveLinkFrameDataStruct Face(FLiveLinkBaseFrameData::StaticStruct());
	FLiveLinkBaseFrameData& FaceData = *Face.Cast<FLiveLinkBaseFrameData>();
	FaceData.WorldTime = FPlatformTime::Seconds();
	FaceData.MetaData.SceneTime = SceneTime;
	FaceData.PropertyValues = Values;
	Avatar3D::ToCurveValues(Introduction, FaceData.PropertyValues.GetData());
	if (!Known.Fingerprint.IsEmpty())
	{
		FaceData.MetaData.StringMetaData.Add(Avatar3DLiveLink::HeadKey, Known.Fingerprint);
	}
	Client->PushSubjectFrameData_AnyThread({SourceGuid, Known.Subject}, MoveTemp(Face));

	double Place[3], Turn[4];
	Avatar3D::HeadTransform(Introduction, Values.GetData(), Place, Turn);
	FLiveLinkFrameDataStruct Head(FLiveLinkTransformFrameData::StaticStruct());
	FLiveLinkTransformFrameData& HeadData = *Head.Cast<FLiveLinkTransformFrameData>();
	HeadData.WorldTime = FPlatformTime::Seconds();
	HeadData.MetaData.SceneTime = SceneTime;
	HeadData.Transform = FTransform(FQuat(Turn[0], Turn[1], Turn[2], Turn[3]), FVector(Place[0], Place[1], Place[2]));
	Client->PushSubjectFrameData_AnyThread({SourceGuid, Known.Head}, MoveTemp(Head));
}

void FAvatar3DLiveLinkSource::Remove(FPublished& Known)
{
	if (Known.Revision != 0)
	{
		Client->RemoveSubject_AnyThread({SourceGuid, Known.Subject});
		Client->RemoveSubject_AnyThread({SourceGuid, Known.Head});
	}
	Known = FPublished();
}

#undef LOCTEXT_NAMESPACE
