#pragma once

#include "CoreMinimal.h"
#include "HAL/Runnable.h"
#include "ILiveLinkSource.h"
#include "Interfaces/IPv4/IPv4Endpoint.h"

#include "Avatar3DRuntime.h"

#include <atomic>

class FRunnableThread;
class FSocket;

/**
 * Receives ue://, the parameter stream of avatar3d, on a thread of its own. Every subject of the stream becomes two: its name with the basic role, whose
 * curves are ARKit's and the rig's, and its name with _Head and the transform role.
 */
class FAvatar3DLiveLinkSource : public ILiveLinkSource, public FRunnable
{
public:
	explicit FAvatar3DLiveLinkSource(const FIPv4Endpoint& InEndpoint);
	virtual ~FAvatar3DLiveLinkSource() override;

	//~ Begin ILiveLinkSource Interface
	virtual void ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid) override;
	virtual bool IsSourceStillValid() const override;
	virtual bool RequestSourceShutdown() override;
	virtual FText GetSourceType() const override;
	virtual FText GetSourceMachineName() const override;
	virtual FText GetSourceStatus() const override;
	//~ End ILiveLinkSource Interface

	//~ Begin FRunnable Interface
	virtual uint32 Run() override;
	virtual void Stop() override;
	//~ End FRunnable Interface

private:
	/** What has been said of a stream to the client: nothing where Revision is 0. */
	struct FPublished
	{
		uint32 Revision = 0;
		FName Subject;
		FName Head;
		FString Fingerprint;
		double Next = 0.0;
	};

	void Receive();
	void Publish(double Now);
	/** Whether the stream has a subject now; not where its name is another one's, or too many names came. */
	bool PushStaticData(const a3d::Stream& Stream, FPublished& Known);
	/** The engine's name of that text; none where it would be one name too many. */
	FName NameOf(const FString& Text);
	void PushFrame(const a3d::Stream& Stream, const FPublished& Known);
	void Remove(FPublished& Known);

	FIPv4Endpoint Endpoint;
	ILiveLinkClient* Client = nullptr;
	FGuid SourceGuid;
	FSocket* Socket = nullptr;
	FRunnableThread* Thread = nullptr;
	std::atomic<bool> bStopping{false};
	std::atomic<double> Arrived{0.0};

	// The thread's alone.
	a3d::StreamReceiver Receiver;
	FPublished Published[a3d::StreamReceiver::kMaxStreams];
	TArray<float> Values;
	int32 NamesLeft = 4096;
	bool bToldOfNames = false;
};
